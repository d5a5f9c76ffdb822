"""One word of a caption for another of its list: counterfactual captions. Knows no list's words."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from pipeline.errors import RowError
from pipeline.prompts._lists import LISTS, kind_of
from pipeline.prompts._rule import PlannedEdit, Rule
from pipeline.prompts._swaps import Entry, Finder, Spans, Swap, base, digest_of, edits, fits, rank
from pipeline.prompts._use import word_class
from pipeline.prompts._words import checked, normal
from pipeline.section import Section


def _built_in(group: Any) -> Any:
    if isinstance(group, str) and group not in LISTS:
        raise ValueError(f"no built-in list of this name; there are: {', '.join(LISTS)}")
    return LISTS[group] if isinstance(group, str) else group


Word = Annotated[str, Field(min_length=1, pattern=r"\w")]
Words = Annotated[tuple[Word, ...], Field(min_length=2)]
ListName = Literal[
    "colours",
    "materials",
    "animals",
    "fruit",
    "vehicles",
    "backgrounds",
    "objects",
    "places",
    "states",
]
Group = Annotated[Words, BeforeValidator(_built_in, json_schema_input_type=ListName | Words)]


class Config(Section):
    """A word found in a list is replaced by another of that list."""

    type: Literal["swap"] = "swap"
    groups: tuple[Group, ...] = Field(
        (), description="Lists of words that replace each other, or names of built-in lists."
    )
    pairs: dict[Word, Word | tuple[Word, ...]] = Field(
        default_factory=dict, description="Word → the word, or words, that it may become."
    )
    variants: int = Field(1, ge=1, le=64, description="Edits an image, at most.")
    on_missing: Literal["dead", "pass"] = Field(
        "dead",
        description="A caption with no such word, or only where it must stay, as in a fixed "
        "phrase: dead letter `no_word`, or nothing to do.",
    )

    @model_validator(mode="after")
    def _some_words(self) -> Config:
        if not _others(self):
            raise ValueError("give groups or pairs in which a word may become another")
        return self


def build(config: Config) -> Rule:
    """The rule of `config`."""
    others = _others(config)
    return SwapRule(config, others, Finder(others))


def _others(config: Config) -> dict[Entry, list[str]]:
    """Each word that may be replaced → what may stand in its place."""
    others: dict[Entry, dict[str, None]] = {}
    pairs = {
        word: (value,) if isinstance(value, str) else value for word, value in config.pairs.items()
    }
    lists = [(group, group) for group in config.groups]
    lists += [((word,), new) for word, new in pairs.items()]
    for found, new in lists:
        which = word_class([*map(normal, dict.fromkeys([*found, *new]))])
        for word in found:
            entry = Entry(base(normal(word), which), which)
            others.setdefault(entry, {}).update({base(n, which): None for n in new})
    different = {e: [o for o in new if normal(o) != e.word] for e, new in others.items()}
    return {entry: new for entry, new in different.items() if new}


@dataclass(frozen=True)
class SwapRule:
    """Up to `variants` edits a caption, each with one word changed wherever it stands."""

    config: Config
    others: dict[Entry, list[str]]
    finder: Finder

    def columns(self) -> list[str]:
        """None: only the caption is read."""
        return []

    def plan(self, caption: str | None, columns: Mapping[str, Any]) -> list[PlannedEdit]:
        """The edits, chosen by a digest of the row: the same row is given the same ones.

        Different words of the caption take turns, so that few variants still differ in kind.
        Raises RowError: `no_caption`, `caption_too_long`, `no_word`.
        """
        text = checked(caption)
        spans, why = self.finder.find(text)
        chosen = self._fitting(spans, digest_of(text, columns))
        if not chosen:
            if self.config.on_missing == "pass":
                return []
            said = why or "no word of prompts.groups or pairs"
            raise RowError("no_word", f"{said} in {text[:200]!r}")
        return edits(text, spans, [Swap(e, new, kind_of(e.word, new)) for e, new in chosen])

    def _fitting(self, spans: Spans, row: bytes) -> list[tuple[Entry, str]]:
        """The (word, other) pairs of the edits: those with a form for each place."""
        every = _chosen(spans, self.others, row)
        return [(e, new) for e, new in every if fits(spans, e, new)][: self.config.variants]


def _chosen(
    found: Iterable[Entry], others: Mapping[Entry, Sequence[str]], row: bytes
) -> list[tuple[Entry, str]]:
    """Every (word, other) in the row's own order, the words taking turns."""
    turns = [
        [(entry, other) for other in sorted(others[entry], key=lambda o: rank(row, entry.word, o))]
        for entry in sorted(found, key=lambda entry: rank(row, entry.word))
    ]
    in_turn = chain.from_iterable(zip_longest(*turns))
    return [choice for choice in in_turn if choice is not None]
