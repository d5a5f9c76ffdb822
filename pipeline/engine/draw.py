"""Draws the targets of a shard's rows where the rule balances them. Knows no rule and no format.

The shard's captions are read once before its chunks are: what a row is given must depend on all of
them, and on nothing else. Of a growing shard the members that one list added are drawn together;
one that is edited again, or was edited before there were lists, makes its own choice.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

import pyarrow as pa

from pipeline.config import RunConfig
from pipeline.prompts._draw import Draw
from pipeline.prompts._rule import Balanced, Pair
from pipeline.rows import RANK, noted_drawn
from pipeline.section import build
from pipeline.sources._chunks import everybody
from pipeline.sources._shard import Member, Shard, Source


def drawn(
    config: RunConfig, source: Source, shard: Shard, tables: Iterable[pa.Table]
) -> Iterator[pa.Table]:
    """`tables`, the shard's chunks, each with what its rows are given; see `rows.drawn`."""
    rule = build(config.prompts)
    if not isinstance(rule, Balanced):
        yield from tables
        return
    draws = _settled(config, rule, shard, everybody(source, shard, config.run.limit))
    for table in tables:
        given = {ordinal: draws.of(ordinal) for ordinal in table["ordinal"].to_pylist()}
        yield noted_drawn(table, {ordinal: pairs for ordinal, pairs in given.items() if pairs})


def of_members(
    config: RunConfig, rule: Balanced, shard: Shard, members: Iterable[Member]
) -> Iterator[list[Pair]]:
    """What each of `members` would be given if they were all of the shard."""
    members = list(members)
    draws = _settled(config, rule, shard, members)
    yield from (draws.of(member.ordinal) for member in members)


class _Draws:
    """A draw for each list of a growing shard; else one."""

    def __init__(self, config: RunConfig, shard: Shard) -> None:
        self._born = {pick.position: pick.born for pick in (*(shard.picks or ()), *shard.peers)}
        self._listed = shard.picks is not None
        self.each = defaultdict[int, Draw](lambda: Draw(config.run.seed, shard.path))

    def list_of(self, ordinal: int) -> int | None:
        """The list that a row is drawn with; None for one that makes its own choice."""
        return self._born.get(ordinal % RANK) or None if self._listed else 0

    def of(self, ordinal: int) -> list[Pair]:
        number = self.list_of(ordinal)
        return [] if number is None or number not in self.each else self.each[number].of(ordinal)


def _settled(config: RunConfig, rule: Balanced, shard: Shard, members: Iterable[Member]) -> _Draws:
    draws = _Draws(config, shard)
    for member in members:
        number = draws.list_of(member.ordinal)
        if member.error is None and number is not None:
            draws.each[number].add(member.ordinal, rule.slots(member.caption, member.key))
    for draw in draws.each.values():
        draw.settle()
    return draws
