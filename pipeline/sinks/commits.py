"""Commit records: what is done, and nothing else says so. Knows no part's format.

A record is written after its chunk's files are durable. Resume lists the records' names and opens
none: the state is one bitmap of chunk numbers a shard.
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
from pipeline.rows import Chunk
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
    ordinals: list[tuple[int, int]]  # of the source images: first and last of each run
    dead_by_kind: dict[str, int]  # "stage/kind" → dead letters
    files: list[PartFile]
    fingerprint: str  # of the config


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

    def has(self, shard_id: str, chunk: int) -> bool:
        """Whether the chunk is committed."""
        return chunk in self._chunks.get(shard_id, ())

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
    """Every record, as a stream. Raises RunError for one that cannot be read."""
    folder = f"{output.root}/{layout.COMMITS}"
    paths = (
        f"{layout.COMMITS}/{name}"
        for name in storage.names(output.fs, folder)
        if layout.parse_commit(name)
    )
    with ThreadPoolExecutor(READERS) as pool:
        while batch := list(islice(paths, 8 * READERS)):
            yield from pool.map(lambda path: _read(output, path), sorted(batch))


def find_commit(output: Output, chunk: Chunk) -> Commit | None:
    """The chunk's record, if it is committed."""
    try:
        return _read(output, layout.commit_path(chunk))
    except FileNotFoundError:
        return None


def write_commit(output: Output, chunk: Chunk, commit: Commit) -> None:
    """Makes the chunk count. Its files must be durable by now."""
    path = f"{output.root}/{layout.commit_path(chunk)}"
    storage.put(output.fs, path, commit.model_dump_json().encode())


def _read(output: Output, path: str) -> Commit:
    data = storage.read(output.fs, f"{output.root}/{path}")
    try:
        return Commit.model_validate_json(data)
    except ValidationError as error:
        raise RunError(
            f"{output.path}/{path}: not a commit record; remove it and resume"
        ) from error
