"""One word of a caption for another of its list: counterfactual captions. Knows no list's words.

A noun is found in both numbers and keeps its number; an adjective is swapped where it is one; a
word of a fixed phrase ("hot dog", "a glass of wine") stays.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from pipeline.errors import RowError
from pipeline.prompts._inflection import plural, singular
from pipeline.prompts._lexicon import grammar
from pipeline.prompts._lists import LISTS
from pipeline.prompts._rule import PlannedEdit, Rule
from pipeline.prompts._title import Title
from pipeline.prompts._use import (
    is_adjective_only,
    is_after_made_of,
    number_at,
    stays,
    word_class,
)
from pipeline.prompts._words import checked, normal, replaced_each, unique_names, whole_words
from pipeline.section import Section


def _built_in(group: Any) -> Any:
    if isinstance(group, str) and group not in LISTS:
        raise ValueError(f"no built-in list of this name; there are: {', '.join(LISTS)}")
    return LISTS[group] if isinstance(group, str) else group


Word = Annotated[str, Field(min_length=1, pattern=r"\w")]
Words = Annotated[tuple[Word, ...], Field(min_length=2)]
ListName = Literal["colours", "materials", "animals", "fruit", "vehicles", "backgrounds"]
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
    forms = _forms(others)
    return SwapRule(config, others, forms, whole_words(forms))


@dataclass(frozen=True)
class Entry:
    """A word that may be swapped: as its list has it, but a noun in the singular; its class."""

    word: str
    which: str  # `adjective`, `noun` or `any`


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
            entry = Entry(_base(normal(word), which), which)
            others.setdefault(entry, {}).update({_base(n, which): None for n in new})
    different = {e: [o for o in new if normal(o) != e.word] for e, new in others.items()}
    return {entry: new for entry, new in different.items() if new}


def _base(word: str, which: str) -> str:
    has_one = which != "noun" or word in grammar("no singular")
    return word if has_one else singular(word)


def _forms(others: Mapping[Entry, Any]) -> dict[str, list[tuple[Entry, str]]]:
    """Each form that a caption may have → its entries, and what number it says."""
    forms: dict[str, list[tuple[Entry, str]]] = {}
    for entry in others:
        one, many = entry.word, entry.word
        if entry.which == "noun" and one not in grammar("no singular"):
            many = plural(one)
        number = "no singular" if one in grammar("no singular") else "either"
        named = {one: number} if one == many else {one: "singular", many: "plural"}
        for form, said in named.items():
            forms.setdefault(normal(form), []).append((entry, said))
    return forms


def _in_number(word: str, entry: Entry, number: str) -> str | None:
    """`word` in the number of what it replaces; None where it has no such form."""
    if entry.which != "noun":
        return None if number == "material" and is_adjective_only(word) else word
    only_many = word in grammar("no singular")
    if number == "no singular" or only_many:
        return word if only_many and number != "singular" else None
    return plural(word) if number == "plural" else word


Spans = dict[Entry, list[tuple[int, int, str]]]
"""Each word found → (start, end, number) of each place."""


@dataclass(frozen=True)
class SwapRule:
    """Up to `variants` edits a caption, each with one word changed wherever it stands."""

    config: Config
    others: dict[Entry, list[str]]
    forms: dict[str, list[tuple[Entry, str]]]
    pattern: re.Pattern[str]

    def columns(self) -> list[str]:
        """None: only the caption is read."""
        return []

    def plan(self, caption: str | None, columns: Mapping[str, Any]) -> list[PlannedEdit]:
        """The edits, chosen by a digest of the row: the same row is given the same ones.

        Different words of the caption take turns, so that few variants still differ in kind.
        Raises RowError: `no_caption`, `caption_too_long`, `no_word`.
        """
        text = checked(caption)
        spans, why = self._spans(text)
        chosen = self._fitting(spans, _digest_of(text, columns))
        if not chosen:
            if self.config.on_missing == "pass":
                return []
            said = why or "no word of prompts.groups or pairs"
            raise RowError("no_word", f"{said} in {text[:200]!r}")
        names = unique_names(f"{entry.word} to {new}" for entry, new in chosen)
        return [
            PlannedEdit(name, text, replaced_each(text, _places(spans[entry], entry, new)))
            for name, (entry, new) in zip(names, chosen, strict=True)
        ]

    def _fitting(self, spans: Spans, row: bytes) -> list[tuple[Entry, str]]:
        """The (word, other) pairs of the edits: those with a form for each place."""
        every = _chosen(spans, self.others, row)
        fits = [(e, new) for e, new in every if all(w for *_, w in _places(spans[e], e, new))]
        return fits[: self.config.variants]

    def _spans(self, text: str) -> tuple[Spans, str]:
        """Where words stand that may be swapped; and why another was left, empty for none."""
        title = Title(text)
        spans: Spans = {}
        why = ""
        for found in self.pattern.finditer(text):
            # ignoring case, a regex takes ſ for s; `lower` does not
            for entry, number in self.forms.get(normal(found[0]), ()):
                said, reason = _as_used(title, found.span(), entry, number)
                if reason:
                    why = why or reason
                else:
                    spans.setdefault(entry, []).append((*found.span(), said))
        return spans, why


def _as_used(title: Title, span: tuple[int, int], entry: Entry, number: str) -> tuple[str, str]:
    """The number that a word has at its place, and why it stays there, empty where it doesn't."""
    inside = [i for i, w in enumerate(title.words) if w.start < span[1] and span[0] < w.end]
    if not inside:
        return number, "a word stays: it is a part of an address"
    first, last = inside[0], inside[-1]
    reason = stays(title, first, last, entry.which)
    if number == "either" and entry.which == "noun" and not reason:
        found = number_at(title, first, last)
        said = title.said(first, last)
        return found or "", "" if found else f"{said!r} stays: it may be one or many"
    if entry.which == "adjective" and is_after_made_of(title, first):
        number = "material"
    return number, reason


def _places(
    spans: Sequence[tuple[int, int, str]], entry: Entry, new: str
) -> list[tuple[int, int, str]]:
    """(start, end, word) of each place; an empty word where `new` has no form for it."""
    return [(start, end, _in_number(new, entry, number) or "") for start, end, number in spans]


def _chosen(
    found: Iterable[Entry], others: Mapping[Entry, Sequence[str]], row: bytes
) -> list[tuple[Entry, str]]:
    """Every (word, other) in the row's own order, the words taking turns."""
    turns = [
        [(entry, other) for other in sorted(others[entry], key=lambda o: _rank(row, entry.word, o))]
        for entry in sorted(found, key=lambda entry: _rank(row, entry.word))
    ]
    in_turn = chain.from_iterable(zip_longest(*turns))
    return [choice for choice in in_turn if choice is not None]


def _digest_of(caption: str, columns: Mapping[str, Any]) -> bytes:
    row = json.dumps([caption, dict(columns)], sort_keys=True, default=str)
    return hashlib.blake2b(row.encode(), digest_size=16).digest()


def _rank(row: bytes, *words: str) -> bytes:
    return hashlib.blake2b("\0".join(words).encode(), key=row, digest_size=8).digest()
