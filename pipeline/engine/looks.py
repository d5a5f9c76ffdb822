"""The first members of a few shards, and about how many rows all of them have. Knows no rule."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from statistics import fmean, pstdev

from pipeline.config import RunConfig
from pipeline.engine.todo import Todo, filling
from pipeline.sources._chunks import read_members
from pipeline.sources._shard import Member, Shard, Source

SAMPLE = 256
"""Rows looked at, of up to `SHARDS` shards that lie apart; the rest is extrapolated."""
SHARDS = 8
SMALL = 1 << 20
"""Bytes of a file that are looked at whatever their rows: they are one request."""


@dataclass(frozen=True)
class Look:
    """The first members of a shard."""

    members: Sequence[Member]
    count: float  # about how many members the shard has, none beyond `run.limit`
    whole: bool  # whether these are all of them


def look_at(source: Source, shards: Sequence[Shard], limit: int | None) -> dict[str, Look]:
    """Looks at `SHARDS` shards that lie apart (or at all), by their paths."""
    step = max(1, -(-len(shards) // SHARDS))
    chosen = shards[::step]
    return {shard.path: _look(source, shard, SAMPLE // len(chosen), limit) for shard in chosen}


def _look(source: Source, shard: Shard, rows: int, limit: int | None) -> Look:
    seen: list[Member] = []
    share = 0.0
    for member in islice(read_members(source, shard), limit):
        small = shard.rows is None and share * shard.size <= SMALL
        if len(seen) >= rows and not small:
            count = len(seen) / share
            return Look(seen, min(count, limit or count), False)
        seen.append(member)
        share = member.share or 1.0
    return Look(seen, len(seen), True)


def rows_left(looks: Mapping[str, Look], left: Todo, config: RunConfig) -> int:
    """About how many rows are not committed."""
    guess = guessed(
        [(looks[shard.path].count, _weight(shard)) for shard, _ in left if shard.path in looks]
    )
    usual = _chunk_rows([m for look in looks.values() for m in look.members], config)
    total = 0.0
    for shard, done in left:
        look = looks.get(shard.path)
        count = look.count if look else guess(_weight(shard))
        count = min(count, config.run.limit or count)
        if look and look.whole:
            chunks = filling(config)
            committed = float(sum(chunks.add(_size(member)) in done for member in look.members))
        else:
            mean = _chunk_rows(look.members, config) if look else usual
            committed = _committed(count, done, mean)
        total += max(0.0, count - committed)
    return round(total)


def _size(member: Member) -> int:
    return len(member.image or b"")


def _chunk_rows(members: Sequence[Member], config: RunConfig) -> float:
    """About how many members like these a chunk has."""
    size = sum(map(_size, members)) / max(1, len(members))
    most = (config.run.chunk_bytes or math.inf) / max(1.0, size)
    return min(config.run.chunk_rows, max(1.0, most))


def _weight(shard: Shard) -> int:
    return shard.rows or shard.size


def _committed(count: float, done: Iterable[int], chunk_rows: float) -> float:
    """Rows in the chunks `done` of a shard of `count` rows; its last chunk may hold fewer."""
    return sum(min(chunk_rows, max(0.0, count - chunk * chunk_rows)) for chunk in done)


def guessed(looked_at: Sequence[tuple[float, int]]) -> Callable[[int], float]:
    """Rows of a shard by its weight (images or bytes), from the (rows, weight) of others.

    Shards of about equal rows are taken to be all so; otherwise rows go with weights.
    """
    counts = [count for count, _ in looked_at]
    densities = [count / max(1, size) for count, size in looked_at]
    if _spread(counts) <= _spread(densities):
        return lambda size: sum(counts) / max(1, len(counts))
    density = sum(counts) / max(1, sum(size for _, size in looked_at))
    return lambda size: density * size


def _spread(values: Sequence[float]) -> float:
    """Relative: the standard deviation over the mean."""
    return pstdev(values) / max(fmean(values), 1e-9) if values else 0.0
