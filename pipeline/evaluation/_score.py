"""Edits → a value each and column, and their means with intervals. Knows no benchmark."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline.demo.scores import interval
from pipeline.errors import RowError
from pipeline.evaluation._edits import Edit, Edits
from pipeline.evaluation._protocol import Column, Item, Protocol
from pipeline.evaluation._record import Pixels, Record, Region, bright, seen
from pipeline.stages.guard import guarded

BATCH = 16
Networks = Mapping[str, Any]
Values = dict[str, float]
Track = Callable[[Iterable[Any], int, str], Iterable[Any]]


@dataclass(frozen=True)
class Cell:
    """A column's mean over the finite values, its 95 % interval, and what was left out."""

    mean: float
    low: float
    high: float
    count: int  # finite values
    nan: int = 0
    inf: int = 0

    @classmethod
    def of(cls, values: Sequence[float], scale: float) -> Cell:
        """The cell of an edit's values each, times `scale`."""
        finite = [value * scale for value in values if math.isfinite(value)]
        found = interval(finite)
        infinite = sum(math.isinf(value) for value in values)
        missing = sum(math.isnan(value) for value in values)
        return cls(found.mean, found.low, found.high, len(finite), missing, infinite)


@dataclass
class Scored:
    """One row of the table: every value, and what it comes to."""

    edits: Edits
    values: dict[str, Values] = field(default_factory=dict)  # record id → column → value
    groups: dict[str, str] = field(default_factory=dict)  # record id → group
    also: dict[str, tuple[str, ...]] = field(default_factory=dict)  # record id → more groups
    of_set: Values = field(default_factory=dict)
    lost: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)  # column: why → edits

    def members(self, group: str) -> list[str]:
        """The records of a group."""
        return [n for n, own in self.groups.items() if group in (own, *self.also.get(n, ()))]

    def named(self) -> list[str]:
        """The groups that there are."""
        more = (name for names in self.also.values() for name in names)
        return sorted({name for name in (*self.groups.values(), *more) if name})

    def cells(self, protocol: Protocol, group: str | None = None) -> dict[str, Cell]:
        """Column → cell, over all edits or one group's; a column that was not computed lacks."""
        chosen = self.values if group is None else self.members(group)
        rows = [self.values[name] for name in chosen]
        found = {}
        for column in protocol.an_edit:
            values = [row[column.name] for row in rows if column.name in row]
            if values:
                found[column.name] = Cell.of(values, column.scale)
        if group is None:
            found |= {name: _alone(value, len(rows)) for name, value in self.of_set.items()}
        return found


def score(
    protocol: Protocol,
    records: Sequence[Record],
    edits: Edits,
    networks: Networks,
    track: Track,
) -> Scored:
    """Every column whose network is there, in batches."""
    scored = Scored(edits)
    if protocol.rated:
        scored.values = {record.id: dict(protocol.rated(record)) for record in records}
        scored.groups = {record.id: record.group for record in records}
        return scored
    counted: Counter[str] = Counter()
    found = track(edits.read(records), len(records), f"scoring {edits.label}")
    items = (item for edit in found if (item := _item(protocol, edit, counted)) is not None)
    while batch := list(islice(items, BATCH)):
        rows = _values(protocol, batch, networks, scored.failed)
        for item, values in zip(batch, rows, strict=True):
            scored.values[item.record.id] = values
            scored.groups[item.record.id] = item.record.group
            scored.also[item.record.id] = item.record.also
    scored.lost = edits.lost + counted
    scored.of_set = _set_values(protocol, records, edits, networks)
    return scored


def _values(
    protocol: Protocol, items: Sequence[Item], networks: Networks, failed: Counter[str]
) -> list[Values]:
    rows: list[Values] = [{} for _ in items]
    for column in protocol.columns:
        if column.needs and column.needs not in networks:
            continue
        for row, value in zip(rows, _measured(column, items, networks), strict=True):
            if isinstance(value, RowError):
                failed[f"{column.name}: {value.message}"] += 1
            row[column.name] = math.nan if isinstance(value, RowError) else float(value)
    for row in rows:
        row |= {c.name: c.combine(row) for c in protocol.combined if row.keys() >= set(c.of)}
    return rows


def _measured(
    column: Column, items: Sequence[Item], networks: Networks
) -> Sequence[float | RowError]:
    """A value each; what makes a network fail (a tiny picture, too large a batch) fails alone."""
    network = networks.get(column.needs)
    return guarded(items, lambda some: column.measure(some, network))


def _set_values(
    protocol: Protocol, records: Sequence[Record], edits: Edits, networks: Networks
) -> Values:
    values = {}
    for column in protocol.of_set:
        if column.needs in networks:
            again = Edits(edits.label, edits.about, edits.folder, edits.ours)
            items = (_item(protocol, edit, Counter()) for edit in again.read(records))
            there = (item for item in items if item is not None)
            values[column.name] = column.measure(there, networks[column.needs])
    return values


def _alone(value: float, count: int) -> Cell:
    nan = float("nan")
    return Cell(value, nan, nan, count, nan=int(math.isnan(value)))


def _item(protocol: Protocol, edit: Edit, lost: Counter[str]) -> Item | None:
    """The decoded edit; None, and counted, where it cannot be compared with its source."""
    try:
        return _decoded(protocol, edit)
    except RowError as error:
        lost[error.kind] += 1
        return None


def _decoded(protocol: Protocol, edit: Edit) -> Item:
    """Raises RowError where one of its pictures cannot be read, or is of another size."""
    source, edited = seen(edit.record.source() or b""), seen(edit.edited)
    if edited.shape != source.shape:
        edited = _last_panel(edited, protocol.panel)
    if edited.shape != source.shape:
        raise RowError("wrong_size", f"{edited.shape}, and its source {source.shape}")
    height, width = source.shape[:2]
    return Item(
        edit.record,
        source,
        edited,
        _region(None if edit.mask is None else bright(edit.mask), (width, height)),
        _region(edit.record.mask(), (width, height)),
        _picture(edit.record.wanted(), (width, height)),
        edit.record.references(),
    )


def _last_panel(picture: Pixels, side: int | None) -> Pixels:
    """The right, bottom square of `side` pixels of a sheet of panels."""
    height, width = picture.shape[:2]
    if side is None or height == width or min(height, width) < side:
        return picture
    return picture[height - side :, width - side :]


def _region(region: Region | None, size: tuple[int, int]) -> Region | None:
    if region is None or (region.shape[1], region.shape[0]) == size:
        return region
    fitted: NDArray[np.bool_] = np.asarray(
        Image.fromarray(region.astype(np.uint8)).resize(size, Image.Resampling.NEAREST), bool
    )
    return fitted


def _picture(picture: Pixels | None, size: tuple[int, int]) -> Pixels | None:
    if picture is None or (picture.shape[1], picture.shape[0]) == size:
        return picture
    return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BICUBIC))


def items_of(
    protocol: Protocol, edits: Edits, records: Sequence[Record], wanted: set[str]
) -> Iterator[Item]:
    """The items of a few records, read again, for a page to show."""
    if protocol.rated:
        return
    for edit in edits.read([record for record in records if record.id in wanted]):
        item = _item(protocol, edit, Counter())
        if item is not None:
            yield item
