"""Commit records: what is done, and nothing else says so. Knows no part's format.

A record is written after its chunk's files are durable. Resume lists the records' names and opens
none: the state is one bitmap of chunk numbers a shard.

A replay runs a chunk's dead letters again and commits under its own number (`replay.py`). Of a
chunk's records the one of the highest number has its dead letters; those before are superseded.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Protocol

from pydantic import BaseModel, ConfigDict, ValidationError
from pyroaring import BitMap

from pipeline import storage
from pipeline.errors import RunError, UsageError
from pipeline.rows import Chunk, PassedOver
from pipeline.sinks import layout
from pipeline.sinks.output import Output

READERS = 16
"""Records read at a time: on S3 each is one round trip."""


class PartFile(BaseModel):
    """One file of a committed chunk."""

    model_config = ConfigDict(frozen=True)

    path: str  # below the output folder
    bytes: int
    blake2b: str  # 32 hex digits


class Commit(BaseModel):
    """What one chunk became. `planned == written + dead`."""

    model_config = ConfigDict(frozen=True)

    shard: str
    shard_version: str
    chunk: int
    last: bool  # whether the chunk ends its shard
    rows: int  # source images
    planned: int  # edits that the planner counted
    written: int  # edits in `edits/`
    dead: int  # edits in `dead/`
    passed: int  # source images that nothing was planned for
    replay: int = 0  # 0: the run itself
    ordinals: list[tuple[int, int]]  # of the source images: first and last of each run
    dead_ordinals: list[tuple[int, int]]  # of those with dead letters
    dead_by_kind: dict[str, int]  # "stage/kind" → dead letters
    files: list[PartFile]
    fingerprint: str  # of the config
    passed_over: PassedOver = PassedOver()  # files inside of the shard that are no row's
    model_seconds: float = 0.0  # the model at work on the chunk
    idle_seconds: float = 0.0  # the model waiting for it; nothing depends on either

    @property
    def name(self) -> layout.PartName:
        """What its parts' names say."""
        return layout.PartName(layout.shard_id(self.shard), self.chunk, self.replay)


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
    """Which chunks are committed: a bitmap and a version a shard, from records' names alone."""

    def __init__(self) -> None:
        self._chunks: dict[str, BitMap] = {}
        self._replays: dict[tuple[str, int], set[int]] = {}
        self._versions: dict[str, str] = {}
        self._last: dict[str, int] = {}

    def add(self, name: layout.CommitName) -> None:
        """Counts one record. Raises UsageError where its shard has records of another version."""
        version = self._versions.setdefault(name.shard_id, name.version)
        if version != name.version:
            raise UsageError(
                f"shard {name.shard_id} has commit records of two versions ({version} and "
                f"{name.version}): the output was changed by hand; use another output.path"
            )
        if name.replay:
            self._replays.setdefault((name.shard_id, name.chunk), set()).add(name.replay)
            return
        self._chunks.setdefault(name.shard_id, BitMap()).add(name.chunk)
        if name.last:
            self._last[name.shard_id] = name.chunk

    def done(self, shard: VersionedShard) -> BitMap:
        """Numbers of the shard's committed chunks (a copy).

        Raises UsageError where the shard's content changed since they were committed.
        """
        shard_id = layout.shard_id(shard.path)
        committed = self._versions.get(shard_id)
        found = layout.version_id(shard.version)
        if committed not in (None, found):
            raise UsageError(
                f"shard {shard.path} changed since part of it was edited (version {committed}, "
                f"now {found}): give changed input another name, or use another output.path"
            )
        return BitMap(self._chunks.get(shard_id, ()))

    def finished(self, shard: VersionedShard) -> bool:
        """Whether every chunk of the shard is committed. Raises UsageError as `done` does."""
        done = self.done(shard)
        last = self._last.get(layout.shard_id(shard.path))
        return last is not None and len(done) == last + 1

    def has(self, part: layout.PartName) -> bool:
        """Whether the part is committed."""
        if part.replay:
            return part.replay in self._replays.get((part.shard_id, part.chunk), ())
        return part.chunk in self._chunks.get(part.shard_id, ())

    def superseded(self, part: layout.PartName) -> bool:
        """Whether a later replay took over the part's dead letters."""
        return max(self._replays.get((part.shard_id, part.chunk), ()), default=0) > part.replay

    def replays(self) -> int:
        """The highest number of a replay; 0 where there was none."""
        return max((max(numbers) for numbers in self._replays.values()), default=0)

    def unfinished(self) -> list[str]:
        """Ids of the shards that are committed in part only."""
        return [
            shard_id
            for shard_id, chunks in self._chunks.items()
            if len(chunks) != self._last.get(shard_id, -1) + 1
        ]


def load_progress(output: Output) -> Progress:
    """What is committed in `output`, from one listing."""
    progress = Progress()
    for name in commit_names(output):
        progress.add(name)
    return progress


def commit_names(output: Output) -> Iterator[layout.CommitName]:
    """What the records' names say, as a stream, in the order of the listing."""
    with storage.explained(output.path, "list its commit records"):
        for name in storage.names(output.fs, f"{output.root}/{layout.COMMITS}"):
            parsed = layout.parse_commit(name)
            if parsed:
                yield parsed


def read_commits(output: Output) -> Iterator[Commit]:
    """Every record as it counts now, as a stream: sums over them are the output's.

    Superseded dead letters are taken out, and a replay's images are not counted again. Raises
    RunError for a record that cannot be read.
    """
    progress = load_progress(output)
    return (current(commit, progress) for commit in read_records(output))


def read_records(output: Output) -> Iterator[Commit]:
    """Every record as it was written, as a stream. Raises RunError as `read_commits`."""
    folder = f"{output.root}/{layout.COMMITS}"
    paths = (
        f"{layout.COMMITS}/{name}"
        for name in storage.names(output.fs, folder)
        if layout.parse_commit(name)
    )
    with ThreadPoolExecutor(READERS) as pool:
        while batch := list(islice(paths, 8 * READERS)):
            yield from pool.map(lambda path: _read(output, path), sorted(batch))


def current(commit: Commit, progress: Progress) -> Commit:
    """`commit` less what later replays took over."""
    rows = {"rows": 0} if commit.replay else {}
    if not progress.superseded(commit.name):
        return commit.model_copy(update=rows)
    living = [file for file in commit.files if not file.path.startswith("dead/")]
    gone = {"planned": commit.written, "dead": 0, "dead_by_kind": {}, "files": living}
    return commit.model_copy(update=rows | gone)


def find_commit(output: Output, chunk: Chunk, replay: int) -> Commit | None:
    """The chunk's record, if it is committed."""
    try:
        return _read(output, layout.commit_path(chunk, replay))
    except FileNotFoundError:
        return None


def write_commit(output: Output, chunk: Chunk, commit: Commit) -> None:
    """Makes the chunk count. Its files must be durable by now."""
    path = f"{output.root}/{layout.commit_path(chunk, commit.replay)}"
    storage.put(output.fs, path, commit.model_dump_json().encode())


def _read(output: Output, path: str) -> Commit:
    data = storage.read(output.fs, f"{output.root}/{path}")
    try:
        return Commit.model_validate_json(data)
    except ValidationError as error:
        raise RunError(
            f"{output.path}/{path}: not a commit record; remove it and resume"
        ) from error
