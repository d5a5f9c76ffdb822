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
from typing import Protocol, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from pyroaring import BitMap

from pipeline import storage
from pipeline.errors import RunError, UsageError
from pipeline.rows import Chunk, PassedOver
from pipeline.sinks import layout
from pipeline.sinks.layout import ChunkName
from pipeline.sinks.output import Output

T = TypeVar("T", bound=BaseModel)

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
    """What one chunk has become. `planned == written + dead + removed`."""

    model_config = ConfigDict(frozen=True)

    shard: str
    shard_version: str
    chunk: int
    generation: int = 0  # 0: the run's own record; each later one supersedes the one before
    last: bool  # whether the chunk ends its shard
    rows: int  # source images
    planned: int  # edits that the planner counted
    written: int  # edits in `edits/`
    dead: int  # edits in `dead/`
    removed_ids: list[str] = []  # edits and dead letters that were taken out, see `remove.py`
    passed: int  # source images that nothing was planned for
    ordinals: list[tuple[int, int]]  # of the source images: first and last of each run
    dead_ordinals: list[tuple[int, int]]  # of those with dead letters
    dead_by_kind: dict[str, int]  # "stage/kind" → dead letters
    files: list[PartFile]
    fingerprint: str  # of the config
    passed_over: PassedOver = PassedOver()  # files inside of the shard that are no row's
    model_seconds: float = 0.0  # the model at work on the chunk
    idle_seconds: float = 0.0  # the model waiting for it; nothing depends on either

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


class Pin(BaseModel):
    """Which shard an id is of, and of which version all its chunks are."""

    model_config = ConfigDict(frozen=True)

    shard: str
    version: str


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
        return len(self.done(shard)) == self._length(layout.shard_id(shard.path))

    def unfinished(self) -> list[str]:
        """The shards that are committed in part only."""
        return [
            self._heads[shard_id].shard
            for shard_id, chunks in self._chunks.items()
            if len(chunks) != self._length(shard_id)
        ]

    def _length(self, shard_id: str) -> int | None:
        """Chunks of the shard, where its last one is committed."""
        head = self._heads.get(shard_id)
        return head.chunk + 1 if head and head.last else None


def refuse_another(ours: Pin, there: Pin) -> None:
    """Raises UsageError where the output's shard is another, or another version of ours."""
    if there.shard != ours.shard:
        raise UsageError(
            f"the shards {ours.shard} and {there.shard} share one name in the output; "
            "give one of them another name"
        )
    if there.version != ours.version:
        raise UsageError(
            f"shard {ours.shard} changed since its edits were begun (version {there.version}, "
            f"now {ours.version}): give changed input another name, or use another output.path"
        )


def load_progress(output: Output) -> Progress:
    """What is committed in `output`, from one listing and a record of each shard."""
    progress = Progress(commit_names(output))
    for head in read_all(output, progress.heads()):
        progress.know(head)
    return progress


def commit_names(output: Output) -> Iterator[ChunkName]:
    """What the records' names say, as a stream, in the order of the listing."""
    with storage.explained(output.path, "list its commit records", raising=RunError):
        for name in storage.names(output.fs, f"{output.root}/{layout.COMMITS}"):
            parsed = layout.parse_commit(name)
            if parsed:
                yield parsed


def read_commits(output: Output) -> Iterator[Commit]:
    """The current record of every chunk, as a stream: sums over them are the output's.

    Raises RunError for a record that cannot be read.
    """
    return read_all(output, Progress(commit_names(output)).names())


def read_all(output: Output, names: Iterable[ChunkName]) -> Iterator[Commit]:
    """These records, as a stream in their order. Raises RunError as `read_commits`."""
    names = iter(names)
    with ThreadPoolExecutor(READERS) as pool:
        while batch := list(islice(names, 8 * READERS)):
            yield from pool.map(partial(read_commit, output), batch)


def read_commit(output: Output, name: ChunkName) -> Commit:
    """One record. Raises FileNotFoundError where there is none, RunError for a damaged one."""
    commit = _read(output, layout.commit_path(name), Commit)
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


def pin(output: Output, chunk: Chunk) -> None:
    """Ties the shard to its version, before its first record.

    Raises UsageError where another writer tied it to another version.
    """
    ours = Pin(shard=chunk.shard, version=chunk.shard_version)
    path = layout.pin_path(layout.shard_id(chunk.shard))
    if not storage.create(output.fs, f"{output.root}/{path}", ours.model_dump_json().encode()):
        refuse_another(ours, _read(output, path, Pin))


def create_commit(output: Output, commit: Commit) -> bool:
    """Makes the chunk count, unless another writer did; whether it was this one.

    Its files must be durable by now.
    """
    path = f"{output.root}/{layout.commit_path(commit.name)}"
    return storage.create(output.fs, path, commit.model_dump_json().encode())


def _read(output: Output, path: str, kind: type[T]) -> T:
    data = storage.read(output.fs, f"{output.root}/{path}")
    try:
        return kind.model_validate_json(data)
    except ValidationError as error:
        raise damaged(output, path, "it is no commit record") from error


def damaged(output: Output, path: str, why: str) -> RunError:
    """The error that names a record which cannot be used."""
    return RunError(
        f"{output.path}/{path}: damaged: {why}; `diffedit verify --repair {output.path}` "
        "rebuilds what can be"
    )
