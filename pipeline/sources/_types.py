"""Which input columns there are, and of which types: by the first rows. Knows no output.

A format that has a schema tells itself (`types`); of another, whose values are JSON, the values do.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import NamedTuple

import pyarrow as pa

from pipeline import typed
from pipeline.sources._chunks import LOOK, LOOK_AGAIN, LOOK_SHARDS, read_members
from pipeline.sources._shard import Shard, Source


class Column(NamedTuple):
    """One input column, as the shards looked at have it."""

    name: str
    type: pa.DataType | None  # None: it stays JSON
    shard: str  # that has it first
    strict: bool  # whether the type is the data's own, or the config's; else it was guessed
    why: str = ""  # it stays JSON


def look(
    source: Source, shards: Sequence[Shard], declared: Mapping[str, pa.DataType]
) -> list[Column]:
    """The columns of up to `LOOK_SHARDS` shards that lie apart, in the order in which they come."""
    looked = shards[:: max(1, -(-len(shards) // LOOK_SHARDS))]
    found: dict[str, Column] = {}
    for shard in looked:
        for column in _columns(source, shard, LOOK if len(looked) > 1 else LOOK_AGAIN):
            found[column.name] = _both(found.get(column.name), column)
    for name, kind in declared.items():
        found[name] = Column(name, kind, "the config", True)
    return [column._replace(type=typed.settled(column.type)) for column in found.values()]


def _both(one: Column | None, other: Column) -> Column:
    if one is None or one.type is None:
        return one or other
    both = typed.united(one.type, other.type)
    if both is None and other.type is not None:
        why = f"{one.type} in {one.shard}, {other.type} in {other.shard}"
        return one._replace(type=None, why=why)
    return one._replace(type=both, why=one.why or other.why)


def _columns(source: Source, shard: Shard, number: int) -> Iterator[Column]:
    tells = getattr(source, "types", None)
    if tells:
        for field in tells(shard) or ():
            kind = typed.kept(field.type)
            yield Column(field.name, kind, shard.path, True, "" if kind else str(field.type))
        return
    values: dict[str, list[object]] = {}
    for member in islice(read_members(source, shard), number):
        for name, value in member.columns.items():
            values.setdefault(name, []).append(value)
    for name, those in values.items():
        kind = typed.of_values(those)
        yield Column(
            name, kind, shard.path, False, "" if kind else f"values differ in {shard.path}"
        )
