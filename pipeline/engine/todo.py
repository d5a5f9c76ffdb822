"""What is left to do: the shards of a source less the chunks that are committed. Knows no Ray."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pyarrow as pa
from pyroaring import BitMap

from pipeline.config import RunConfig
from pipeline.section import build
from pipeline.sinks.commits import Progress
from pipeline.sources._chunks import chunks
from pipeline.sources._filling import Filling
from pipeline.sources._shard import Shard, Source

Todo = Sequence[tuple[Shard, BitMap]]
"""The unfinished shards, each with the numbers of its chunks that are committed."""


def todo(shards: Sequence[Shard], progress: Progress) -> Todo:
    """The shards that are not finished. Raises UsageError where one changed since its commits."""
    return [(s, progress.done(s)) for s in shards if not progress.finished(s)]


def read(
    config: RunConfig, shard: Shard, done: BitMap, source: Source | None = None
) -> Iterator[pa.Table]:
    """Streams the chunks of `shard` that are not in `done` (READ_SCHEMA)."""
    source = source or build(config.input)
    return chunks(source, shard, filling(config), done, config.run.limit)


def filling(config: RunConfig) -> Filling:
    """What tells a shard's chunks apart, at its first member."""
    return Filling(config.run.chunk_rows, config.run.chunk_bytes)
