"""What a benchmark says of itself: its records, its columns, its published rows. Knows none."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib import import_module
from typing import Any, Literal

from pipeline.errors import UsageError
from pipeline.evaluation import names
from pipeline.evaluation._record import Pixels, Place, Record, Region
from pipeline.metrics._networks.network import Network

Status = Literal["exact", "backbone unpublished", "own reading", "human study", "known truth"]
STATUSES: Mapping[Status, str] = {
    "exact": "scored by the published code's protocol, step by step",
    "backbone unpublished": "the metric is named, its network or settings are not: a published "
    "number is near, not the same",
    "own reading": "the paper or its data was not found; what is computed is our reading, and no "
    "published number is comparable",
    "human study": "the published number is people's judgement; nothing computed stands for it",
    "known truth": "drawn scenes whose mask and true edit are known; nobody else publishes it",
}


@dataclass(frozen=True)
class Item:
    """One edit as it is scored: what was asked, what came of it, at the edit's own size."""

    record: Record
    source: Pixels  # (H, W, 3)
    edited: Pixels  # (H, W, 3)
    found: Region | None  # (H, W), where the editor says that it edited
    region: Region | None  # (H, W), where the benchmark says that the edit belongs
    wanted: Pixels | None  # (H, W, 3), the true edit
    references: Sequence[Pixels]


Measure = Callable[[Sequence[Item], Any], Sequence[float]]
"""Items and the column's network → a value each; NaN where it is not defined."""

Values = Mapping[str, float]


@dataclass(frozen=True)
class Column:
    """One score of a benchmark's table."""

    name: str
    measure: Measure
    about: str  # unit, region, network, for a person
    better: Literal["higher", "lower", ""] = "higher"
    scale: float = 1.0  # of the published table
    needs: str = ""  # role of a network


@dataclass(frozen=True)
class SetColumn:
    """A score of all edits together: no value an edit, no interval."""

    name: str
    measure: Callable[[Iterable[Item], Any], float]
    about: str
    better: Literal["higher", "lower"] = "lower"
    needs: str = ""


@dataclass(frozen=True)
class Combined:
    """A score of an edit that is made of its other columns' values, unscaled."""

    name: str
    of: tuple[str, ...]
    combine: Callable[[Values], float]
    about: str
    better: Literal["higher", "lower"] = "higher"
    scale: float = 1.0


@dataclass(frozen=True)
class Published:
    """A row of somebody's table, in the columns' own scale."""

    name: str
    values: Values
    note: str


@dataclass(frozen=True)
class Protocol:
    """A benchmark."""

    status: Status
    about: str
    records: Callable[[Place], Iterable[Record]]
    columns: tuple[Column, ...]
    comparable: str  # what a published number needs to be comparable
    ranked_by: str  # the column that says best and worst on the page
    networks: Mapping[str, Network] = field(default_factory=dict)
    published: tuple[Published, ...] = ()
    lists: tuple[str, ...] = ()  # files that the published rows are of, where siblings are read too
    of_set: tuple[SetColumn, ...] = ()
    combined: tuple[Combined, ...] = ()
    per_row: int = 1  # records of one `--rows`
    rows: int | None = None  # `--rows` where none are given
    panel: int | None = None  # side of the last panel of a wide result that is not ours
    paste: tuple[str, ...] = ()  # ways beside none and the config's own: of paste-back, or exact
    rated: Callable[[Record], Values] | None = None  # people's scores: nothing is edited

    def on(self, place: Place) -> Protocol:
        """This protocol, without its published rows where `place` names a sibling's file."""
        data = place.data
        if not self.lists or data is None or not data.is_file() or data.name in self.lists:
            return self
        about = f"{self.about} This is {data.name}: no published row here is of its edits."
        return replace(self, about=about, published=())

    @property
    def an_edit(self) -> tuple[Column | Combined, ...]:
        """The columns that have a value for each edit."""
        return (*self.columns, *self.combined)

    @property
    def every(self) -> tuple[Column | Combined | SetColumn, ...]:
        """All columns, in the table's order."""
        return (*self.an_edit, *self.of_set)


def protocol(name: str) -> Protocol:
    """The protocol of that name. Raises UsageError where there is none."""
    if name not in names():
        raise UsageError(f"no protocol {name!r}; there are: {', '.join(names())}")
    found: Protocol = import_module(f"pipeline.evaluation.{name}").PROTOCOL
    return found
