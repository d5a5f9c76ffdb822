"""Words of a caption that may be swapped: found, in their number, and put. Knows no rule.

A noun is found in both numbers and keeps its number; an adjective is found where it is one; a word
of a fixed phrase ("hot dog", "a glass of wine") stays.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.prompts._inflection import plural, singular
from pipeline.prompts._instruction import described, of_adjective, of_noun
from pipeline.prompts._lexicon import grammar
from pipeline.prompts._rule import PlannedEdit
from pipeline.prompts._title import Title
from pipeline.prompts._use import is_adjective_only, is_after_made_of, number_at, stays
from pipeline.prompts._words import normal, replaced_each, unique_names, whole_words


@dataclass(frozen=True)
class Entry:
    """A word that may be swapped: as its list has it, but a noun in the singular; its class."""

    word: str
    which: str  # `adjective`, `noun` or `any`


@dataclass(frozen=True)
class Swap:
    """An entry, what is to stand in its place, and the type of edit that this is."""

    entry: Entry
    new: str
    kind: str | None


def base(word: str, which: str) -> str:
    """`word`, a noun in the singular."""
    has_one = which != "noun" or word in grammar("no singular")
    return word if has_one else singular(word)


def _forms(entries: Iterable[Entry]) -> dict[str, list[tuple[Entry, str]]]:
    """Each form that a caption may have → its entries, and what number it says."""
    forms: dict[str, list[tuple[Entry, str]]] = {}
    for entry in entries:
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


Places = list[tuple[int, int, str]]
Spans = dict[Entry, Places]
"""Each word found → (start, end, number) of each place."""


class Finder:
    """Finds the words of `entries` in captions."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self._forms = _forms(entries)
        self._pattern: re.Pattern[str] = whole_words(self._forms)

    def find(self, text: str) -> tuple[Spans, str]:
        """Where words stand that may be swapped; and why another was left, empty for none."""
        title = Title(text)
        spans: Spans = {}
        why = ""
        for found in self._pattern.finditer(text):
            # ignoring case, a regex takes ſ for s; `lower` does not
            for entry, number in self._forms.get(normal(found[0]), ()):
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


def fits(spans: Spans, entry: Entry, new: str) -> bool:
    """Whether `new` has a form for each place of `entry`."""
    return all(word for *_, word in _places(spans[entry], entry, new))


def edits(text: str, spans: Spans, swaps: Sequence[Swap]) -> list[PlannedEdit]:
    """The planned edits of `text`, one a swap, its word changed wherever it stands."""
    names = unique_names(f"{swap.entry.word} to {swap.new}" for swap in swaps)
    title = Title(text)
    return [
        _edit(name, title, spans[swap.entry], swap) for name, swap in zip(names, swaps, strict=True)
    ]


def _edit(name: str, title: Title, spans: Places, swap: Swap) -> PlannedEdit:
    there, back = _instructions(title, spans[0], swap)
    return PlannedEdit(
        name,
        title.text,
        replaced_each(title.text, _places(spans, swap.entry, swap.new)),
        instruction=there,
        inverse_instruction=back,
        edit_type=swap.kind,
        source_word=swap.entry.word,
        target_word=swap.new,
    )


def _instructions(title: Title, place: tuple[int, int, str], swap: Swap) -> tuple[str, str]:
    start, end, number = place
    old = swap.entry.word
    if swap.entry.which != "noun":
        noun = described(title, start, end)
        return of_adjective(swap.new, noun, old), of_adjective(old, noun, swap.new)
    old, new = (_in_number(word, swap.entry, number) or word for word in (old, swap.new))
    return of_noun(old, new, swap.kind, number), of_noun(new, old, swap.kind, number)


def _places(spans: Places, entry: Entry, new: str) -> Places:
    """(start, end, word) of each place; an empty word where `new` has no form for it."""
    return [(start, end, _in_number(new, entry, number) or "") for start, end, number in spans]


def digest_of(caption: str, columns: Mapping[str, Any]) -> bytes:
    """Of a row: 16 bytes."""
    row = json.dumps([caption, dict(columns)], sort_keys=True, default=str)
    return hashlib.blake2b(row.encode(), digest_size=16).digest()


def rank(row: bytes, *words: str) -> bytes:
    """Puts `words` into the row's own order."""
    return hashlib.blake2b("\0".join(words).encode(), key=row, digest_size=8).digest()
