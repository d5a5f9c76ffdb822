"""Commit records: what is done, and nothing else says so. Knows no part's format.

A record is created after its chunk's files are durable, by a create that fails where there is
one, and is never written over: of several writers of one chunk exactly one commits it. The chunk's
record of the highest generation is its whole state: it names every file that counts, counts every
row, and supersedes those before it (a replay of dead letters commits a next generation, see
`replay.py`).

Resume lists the records' names and opens one a shard: the state is one bitmap of chunk numbers a
shard. That a shard's chunks are all of one version is the work of its pin (`pin`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import islice
from typing import Protocol

from pydantic import BaseModel, ConfigDict
from pyroaring import BitMap

from pipeline import storage
from pipeline.errors import RunError
from pipeline.rows import PassedOver
from pipeline.sinks import layout
from pipeline.sinks.layout import ChunkName
from pipeline.sinks.output import Output
from pipeline.sinks.pins import Pin, damaged, read_record, refuse_another

READERS = 16
"""Records read at a time: on S3 each is one round trip."""


class PartFile(BaseModel):
    """One file of a committed chunk."""

    model_config = ConfigDict(frozen=True)

    path: str  # below the output folder
    rows: int
    bytes: int
    blake2b: str  # 32 hex digits

    @property
    def kind(self) -> str:
        """The folder it lies in, one of `layout.PARTS`."""
        return self.path.partition("/")[0]


class Commit(BaseModel):
    """What one chunk has become. `planned == written + rejected + dead + removed`."""

    model_config = ConfigDict(frozen=True)

    shard: str
    shard_version: str
    chunk: int
    generation: int = 0  # 0: the run's own record; each later one supersedes the one before
    last: bool  # whether the chunk ends its shard
    rows: int  # source images
    planned: int  # edits that the planner counted
    written: int  # edits in `edits/`
    rejected: int = 0  # edits in `rejected/`
    rejected_by: dict[str, int] = {}  # bound → edits that it rejected
    bounds: int = 0  # which bounds its edits were moved by, see `recheck.py`; 0: those of its run
    dead: int  # edits in `dead/`
    removed_ids: list[str] = []  # edits and dead letters that were taken out, see `remove.py`
    passed: int  # source images that nothing was planned for
    near_duplicates: int = 0  # of the edits made, those that nearly equal another of their image
    ordinals: list[tuple[int, int]]  # of the source images: first and last of each run
    dead_ordinals: list[tuple[int, int]]  # of those with dead letters
    dead_by_kind: dict[str, int]  # "stage/kind" → dead letters
    files: list[PartFile]
    fingerprint: str  # of the config
    passed_over: PassedOver = PassedOver()  # files inside of the shard that are no row's
    model_seconds: float = 0.0  # the model at work on the chunk
    idle_seconds: float = 0.0  # the model waiting for it
    evaluations: int = 0  # rows through its network
    codec_seconds: float = 0.0
    bytes_read: int = 0  # as `rows.Spent`; nothing depends on any of the five
    as_of: int = 0  # the list whose members it has, see `lists.py`; 0: its shard has none
    members: dict[int, str] = {}  # as `rows.Listed` has them
    passed_ordinals: list[tuple[int, int]] = []

    @property
    def name(self) -> ChunkName:
        """Whose record this is."""
        return ChunkName(layout.shard_id(self.shard), self.chunk, self.generation)

    @property
    def removed(self) -> int:
        """How many were taken out."""
        return len(self.removed_ids)

    def files_of(self, kind: str) -> list[PartFile]:
        """Those in the folder `kind`."""
        return [file for file in self.files if file.kind == kind]


def idle_share(model_seconds: float, idle_seconds: float) -> float | None:
    """Share of their time that the models waited, 0..1; None where they did not work."""
    return idle_seconds / (model_seconds + idle_seconds) if model_seconds else None


class VersionedShard(Protocol):
    """A `sources.Shard`, as far as resume goes."""

    @property
    def path(self) -> str: ...

    @property
    def version(self) -> str: ...


class Progress:
    """Which chunks are committed: a bitmap a shard, from names; and a record of each shard."""

    def __init__(self, names: Iterable[ChunkName]) -> None:
        self._chunks: dict[str, BitMap] = {}
        self._generations: dict[tuple[str, int], int] = {}  # where above 0
        self._heads: dict[str, Commit] = {}
        for name in names:
            self._add(name)

    def _add(self, name: ChunkName) -> None:
        self._chunks.setdefault(name.shard_id, BitMap()).add(name.chunk)
        place = (name.shard_id, name.chunk)
        if name.generation > self._generations.get(place, 0):
            self._generations[place] = name.generation

    def names(self) -> Iterator[ChunkName]:
        """The current record of every chunk, shard by shard."""
        for shard_id, chunks in self._chunks.items():
            for chunk in chunks:
                yield self.latest(shard_id, chunk)

    def latest(self, shard_id: str, chunk: int) -> ChunkName:
        """The highest generation that the listing showed; 0 where it showed none."""
        return ChunkName(shard_id, chunk, self._generations.get((shard_id, chunk), 0))

    def knows(self, name: ChunkName) -> bool:
        """Whether the listing showed a record of the chunk."""
        return name.chunk in self._chunks.get(name.shard_id, ())

    def heads(self) -> Iterator[ChunkName]:
        """A record of each shard: its highest chunk's, which tells whether the shard ends there."""
        return (self.latest(shard_id, chunks.max()) for shard_id, chunks in self._chunks.items())

    def know(self, head: Commit) -> None:
        """Takes in one of the `heads`, read."""
        self._heads[head.name.shard_id] = head

    def done(self, shard: VersionedShard) -> BitMap:
        """Numbers of the shard's committed chunks (a copy).

        Raises UsageError where the shard's content changed since they were committed.
        """
        shard_id = layout.shard_id(shard.path)
        head = self._heads.get(shard_id)
        if head:
            ours = Pin(shard=shard.path, version=shard.version)
            refuse_another(ours, Pin(shard=head.shard, version=head.shard_version))
        return BitMap(self._chunks.get(shard_id, ()))

    def finished(self, shard: VersionedShard) -> bool:
        """Whether every chunk of the shard is committed. Raises UsageError as `done` does."""
        self.done(shard)
        return self.whole(shard.path)

    def whole(self, path: str) -> bool:
        """Whether every chunk of the shard is committed, of whatever version."""
        return len(self.committed(path)) == self._length(layout.shard_id(path))

    def version(self, path: str) -> str | None:
        """Of the shard's edits, where it has any."""
        head = self._heads.get(layout.shard_id(path))
        return head.shard_version if head else None

    def begun(self, path: str) -> bool:
        """Whether any chunk of the shard is committed."""
        return layout.shard_id(path) in self._chunks

    def committed(self, path: str) -> BitMap:
        """Numbers of the shard's committed chunks (a copy), of whatever version."""
        return BitMap(self._chunks.get(layout.shard_id(path), ()))

    def unfinished(self) -> list[str]:
        """The shards that are committed in part only."""
        return [
            self._heads[shard_id].shard if shard_id in self._heads else shard_id
            for shard_id, chunks in self._chunks.items()
            if len(chunks) != self._length(shard_id)
        ]

    def _length(self, shard_id: str) -> int | None:
        """Chunks of the shard, where its last one is committed."""
        head = self._heads.get(shard_id)
        return head.chunk + 1 if head and head.last else None


def load_progress(output: Output, strict: bool = True) -> Progress:
    """What is committed in `output`, from one listing and a record of each shard.

    Raises RunError for a damaged one of those; not `strict`, it goes on without.
    """
    progress = Progress(commit_names(output))
    for _, head in read_each(output, progress.heads()):
        if isinstance(head, Commit):
            progress.know(head)
        elif strict:
            raise head
    return progress


def commit_names(output: Output) -> Iterator[ChunkName]:
    """What the records' names say, as a stream, in the order of the listing."""
    with storage.explained(output.path, "list its commit records", raising=RunError):
        for name in storage.names(output.fs, f"{output.root}/{layout.COMMITS}"):
            parsed = layout.parse_commit(name)
            if parsed:
                yield parsed


def read_commits(output: Output, problems: list[str] | None = None) -> Iterator[Commit]:
    """The current record of every chunk, as a stream: sums over them are the output's.

    A record that cannot be read is told in `problems`; without them it is a RunError.
    """
    for _, found in read_each(output, Progress(commit_names(output)).names()):
        if isinstance(found, Commit):
            yield found
        elif problems is None:
            raise found
        else:
            problems.append(str(found))


def read_all(output: Output, names: Iterable[ChunkName]) -> Iterator[Commit]:
    """These records, as a stream in their order. Raises RunError for one that is damaged."""
    for _, found in read_each(output, names):
        if not isinstance(found, Commit):
            raise found
        yield found


def read_each(
    output: Output, names: Iterable[ChunkName]
) -> Iterator[tuple[ChunkName, Commit | RunError]]:
    """Each of these records, or what is wrong with it: one that is damaged hides no other."""
    names = iter(names)
    with ThreadPoolExecutor(READERS) as pool:
        while batch := list(islice(names, 8 * READERS)):
            yield from zip(batch, pool.map(partial(_attempted, output), batch), strict=True)


def _attempted(output: Output, name: ChunkName) -> Commit | RunError:
    try:
        return read_commit(output, name)
    except RunError as error:
        return error
    except FileNotFoundError:
        return RunError(f"{output.path}/{layout.commit_path(name)}: missing")


def read_commit(output: Output, name: ChunkName) -> Commit:
    """One record. Raises FileNotFoundError where there is none, RunError for a damaged one."""
    commit = read_record(output, layout.commit_path(name), Commit)
    if commit.name != name:
        raise damaged(output, layout.commit_path(name), f"it is of {commit.name}")
    return commit


def find_commit(output: Output, name: ChunkName) -> Commit | None:
    """One record, asked for by its name, not looked for in a listing; None where there is none."""
    try:
        return read_commit(output, name)
    except FileNotFoundError:
        return None


def newest(output: Output, name: ChunkName) -> Commit | None:
    """The record of the highest generation from `name`'s on, each asked for by its name."""
    found = None
    for generation in range(name.generation, 2**31):
        after = find_commit(output, ChunkName(name.shard_id, name.chunk, generation))
        if after is None:
            break
        found = after
    return found


def superseded(output: Output, commit: Commit) -> bool:
    """Whether a replay has committed since `commit` was read, and may have swept its files."""
    now = newest(output, commit.name)
    return now is not None and now.generation > commit.generation


MISSING = "missing or damaged; `diffedit verify` tells more and what to do"


def create_commit(output: Output, commit: Commit) -> bool:
    """Makes the chunk count, unless another writer did; whether it was this one.

    Its files must be durable by now.
    """
    path = f"{output.root}/{layout.commit_path(commit.name)}"
    return storage.create(output.fs, path, commit.model_dump_json().encode())
