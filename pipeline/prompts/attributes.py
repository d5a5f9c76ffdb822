"""One attribute of a caption for another of its table, each target as often as any other.

Knows no table's words.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from pipeline.errors import RowError
from pipeline.prompts._lists import KINDS, LISTS
from pipeline.prompts._rule import Pair, PlannedEdit, Rule, Slot
from pipeline.prompts._swaps import Entry, Finder, Spans, Swap, base, digest_of, edits, fits, rank
from pipeline.prompts._use import word_class
from pipeline.prompts._words import checked, normal
from pipeline.prompts.swap import Group, ListName
from pipeline.section import Section

TABLES = ("colours", "materials", "objects", "backgrounds", "places", "states")


def _named(tables: Any) -> Any:
    if not isinstance(tables, list | tuple):
        return tables
    unknown = [name for name in tables if name not in LISTS]
    if unknown:
        raise ValueError(f"no built-in table {unknown[0]!r}; there are: {', '.join(LISTS)}")
    return {KINDS[name]: name for name in tables}


TableName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,47}$")]
Tables = Annotated[
    dict[TableName, Group],
    Field(min_length=1),
    BeforeValidator(_named, json_schema_input_type=dict[TableName, Group] | tuple[ListName, ...]),
]


class Config(Section):
    """A word found in a table is replaced by another of it; a shard's targets are balanced."""

    type: Literal["attributes"] = "attributes"
    tables: Tables = Field(
        default_factory=lambda: {KINDS[name]: LISTS[name] for name in TABLES},
        description="Type of edit → its words, or the name of a built-in list; or names of such. "
        "A word is of the first table that has it.",
    )
    variants: int = Field(1, ge=1, le=64, description="Edits an image, at most.")
    on_missing: Literal["dead", "pass"] = Field(
        "dead",
        description="A caption with no such word, or only where it must stay, as in a fixed "
        "phrase: dead letter `no_word`, or nothing to do.",
    )

    @model_validator(mode="after")
    def _some_words(self) -> Config:
        for name, table in self.tables.items():
            if len({*map(normal, table)}) < 2:
                raise ValueError(f"tables.{name}: give at least two different words")
        return self


def build(config: Config) -> Rule:
    """The rule of `config`."""
    entries: dict[Entry, str] = {}
    others: dict[str, list[str]] = {}
    for name, table in config.tables.items():
        which = word_class([*map(normal, table)])
        others[name] = list(dict.fromkeys(base(normal(word), which) for word in table))
        for word in others[name]:
            entries.setdefault(Entry(word, which), name)
    return AttributesRule(config, entries, others, Finder(entries))


@dataclass(frozen=True)
class AttributesRule:
    """Up to `variants` edits a caption, each with one word changed wherever it stands."""

    config: Config
    tables: Mapping[Entry, str]
    others: Mapping[str, Sequence[str]]
    finder: Finder

    def columns(self) -> list[str]:
        """None: only the caption is read."""
        return []

    def plan(
        self, caption: str | None, columns: Mapping[str, Any], drawn: Sequence[Pair] = ()
    ) -> list[PlannedEdit]:
        """The edits that were `drawn` for the row with its shard (`slots`); else of its own choice.

        Raises RowError: `no_caption`, `caption_too_long`, `no_word`.
        """
        text = checked(caption)
        spans, why = self.finder.find(text)
        row = digest_of(text, columns)
        pairs = drawn or [pair for slot in self._slots(spans, row) for pair in _own(slot, row)]
        if not pairs:
            if self.config.on_missing == "pass":
                return []
            said = why or "no word of prompts.tables"
            raise RowError("no_word", f"{said} in {text[:200]!r}")
        return edits(text, spans, [self._swap(spans, *pair) for pair in pairs])

    def slots(self, caption: str | None, key: str) -> list[Slot]:
        """What is to be drawn for a row: nothing where it cannot be planned.

        Of several words those that come first by the row's `key` are changed.
        """
        try:
            text = checked(caption)
        except RowError:
            return []
        spans, _ = self.finder.find(text)
        return list(self._slots(spans, digest_of(text, {"key": key})))

    def _slots(self, spans: Spans, row: bytes) -> Iterator[Slot]:
        """The words in the row's own order; they take turns until `variants` targets are taken."""
        found = {entry: self._options(spans, entry) for entry in spans}
        words = sorted((e for e in found if found[e]), key=lambda e: rank(row, e.word, e.which))
        each = dict.fromkeys(words, 0)
        left = min(self.config.variants, sum(map(len, found.values())))
        while left:
            for entry in words:
                if left and each[entry] < len(found[entry]):
                    each[entry], left = each[entry] + 1, left - 1
        for entry, number in each.items():
            if number:
                yield Slot(self.tables[entry], entry.word, tuple(found[entry]), number)

    def _options(self, spans: Spans, entry: Entry) -> list[str]:
        others = (word for word in self.others[self.tables[entry]] if word != entry.word)
        return [word for word in others if fits(spans, entry, word)]

    def _swap(self, spans: Spans, word: str, new: str) -> Swap:
        mine = (e for e in spans if e.word == word and new in self.others[self.tables[e]])
        entry = next(mine)
        return Swap(entry, new, self.tables[entry])


def _own(slot: Slot, row: bytes) -> list[Pair]:
    """Targets of a row's own choice, balanced with nobody's."""
    order = sorted(slot.options, key=lambda option: rank(row, slot.word, option))
    return [(slot.word, option) for option in order[: slot.each]]
