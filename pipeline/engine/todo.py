"""What is left to do: the shards of a source less the chunks that are committed. Knows no Ray."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyroaring import BitMap

from pipeline.config import RunConfig
from pipeline.engine.draw import drawn
from pipeline.errors import RunError
from pipeline.rows import GONE, Chunk, Listed
from pipeline.section import build
from pipeline.sinks import layout
from pipeline.sinks.commits import Progress, read_all
from pipeline.sinks.lists import OLD, Head, Known, Lists
from pipeline.sinks.output import Output
from pipeline.sources._chunks import chunks
from pipeline.sources._filling import Filling
from pipeline.sources._shard import Pick, Shard, Source

Todo = Sequence[tuple[Shard, BitMap]]
"""The unfinished shards, each with the numbers of its chunks that are committed."""


class Left(NamedTuple):
    """What is left to do."""

    todo: Todo
    retired: Sequence[tuple[Chunk, Listed]]  # chunks due of which nothing is there any more


def left(
    shards: Sequence[Shard], output: Output, progress: Progress, lists: Lists, peers: bool = False
) -> Left:
    """What is not committed of `shards`, and of what the lists say; with `Shard.peers` if asked.

    Raises UsageError where one without a list changed since its commits.
    """
    todo: list[tuple[Shard, BitMap]] = []
    retired: list[tuple[Chunk, Listed]] = []
    by_path = {shard.path: shard for shard in shards}
    for path, head in lists.heads.items():
        shard = by_path.pop(path, None) or Shard(path, "", 0, head.version)
        picks = _picks(head, output, progress, lists)
        there, gone = _split(shard, picks, head)
        if peers and there:
            mates = _peers(lists.known(path), head, progress.committed(path), picks)
            there = [(replace(one, peers=tuple(mates)), done) for one, done in there]
        todo += there
        retired += gone
    todo += [(s, progress.done(s)) for s in by_path.values() if not progress.finished(s)]
    return Left(sorted(todo, key=lambda item: item[0].path), retired)


def _split(shard: Shard, picks: Sequence[Pick], head: Head) -> Left:
    there: list[Pick] = []
    retired: list[tuple[Chunk, Listed]] = []
    for number, some in groupby(picks, lambda pick: pick.chunk):
        mine = list(some)
        if any(pick.stamp != GONE for pick in mine):
            there += mine
            continue
        chunk = Chunk(shard.path, shard.version, number, number == head.chunks - 1)
        members = {pick.position: f"{pick.name:016x}" for pick in mine}
        retired.append((chunk, Listed(mine[0].as_of, members)))
    if not there:
        return Left([], retired)
    share = len(there) / max(1, head.positions)
    size = round(shard.size * share)
    shard = replace(shard, picks=tuple(there), chunks=head.chunks, rows=len(there), size=size)
    return Left([(shard, BitMap())], retired)


def _picks(head: Head, output: Output, progress: Progress, lists: Lists) -> list[Pick]:
    """The members that are due, by chunk."""
    done = progress.committed(head.path)
    if len(done) == head.chunks and not head.amended:
        return []
    known = lists.known(head.path)
    lost = set(range(head.chunks)) - set(done) - set(known.chunks.tolist())
    if lost:
        raise RunError(
            f"{output.path}: chunk {min(lost)} of {head.path} has no record any more, and was made "
            "before its members were kept track of; put the record back from a copy of the output"
        )
    due, born = _by_chunk(known, head.chunks)
    amended = [c for c in np.flatnonzero(due > born).tolist() if c in done]
    shard_id = layout.shard_id(head.path)
    names = [progress.latest(shard_id, chunk) for chunk in amended]
    as_of = {record.chunk: record.as_of for record in read_all(output, names)}
    since = {chunk: as_of.get(chunk, 0) for chunk in range(head.chunks) if chunk not in done}
    since |= {chunk: of for chunk, of in as_of.items() if of < due[chunk]}
    return list(_due(known, head, since, due))


def _due(
    known: Known, head: Head, since: Mapping[int, int], due: npt.NDArray[Any]
) -> Iterator[Pick]:
    places = np.argsort(known.chunks, kind="stable")
    for place in places[np.isin(known.chunks[places], list(since))]:
        chunk = int(known.chunks[place])
        if known.due[place] > since[chunk]:
            born = 0 if since[chunk] else int(known.born[place])
            yield _pick(known, head, int(place), int(due[chunk]), born)


def _pick(known: Known, head: Head, place: int, as_of: int, born: int) -> Pick:
    name, stamp = int(known.names[place]), int(known.stamps[place])
    return Pick(int(known.chunks[place]), place + head.skip, name, stamp, as_of, born)


def _peers(known: Known, head: Head, done: BitMap, picks: Sequence[Pick]) -> Iterator[Pick]:
    """The members that are committed, of lists of which others are not."""
    lists = list({pick.born for pick in picks} - {0})
    mine = np.isin(known.born, lists) & np.isin(known.chunks, list(done))
    for place in np.flatnonzero(mine & (known.stamps != GONE)).tolist():
        yield _pick(known, head, place, 0, int(known.born[place]))


def _by_chunk(known: Known, chunks: int) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Of each chunk: the last list with work at it, and the list that added it (0: before any)."""
    due, born = np.zeros(chunks, np.int32), np.zeros(chunks, np.int32)
    listed = known.chunks != OLD
    np.maximum.at(due, known.chunks[listed], known.due[listed])
    np.maximum.at(born, known.chunks[listed], known.born[listed])
    return due, born


def read(
    config: RunConfig, shard: Shard, done: BitMap, source: Source | None = None
) -> Iterator[pa.Table]:
    """Streams the chunks of `shard` that are not in `done` (READ_SCHEMA)."""
    source = source or build(config.input)
    return drawn(
        config, source, shard, chunks(source, shard, filling(config), done, config.run.limit)
    )


def filling(config: RunConfig) -> Filling:
    """What tells a shard's chunks apart, at its first member."""
    return Filling(config.run.chunk_rows, config.run.chunk_bytes)
