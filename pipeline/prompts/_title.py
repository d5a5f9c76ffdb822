"""A title's words, its segments, and the colour phrases in it. Knows no product and no rule."""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from pipeline.prompts._lexicon import WEB, colour_kinds, qualifiers_of

HYPHENS = "-‐‑‒–−"
_WORD = re.compile(r"[^\W_]+(?:[.'’&][^\W_]+)*(?:['’](?=\s))?|[&+]")
_NOT_TEXT = re.compile(r"<[^<>]{1,200}>|\b(?:https?://|www\.)\S+|\S+@\S+\.\S+", re.IGNORECASE)
_INVISIBLE = dict.fromkeys(
    [*range(9), *range(14, 32), *range(127, 160), *map(ord, "\u00ad\u200b\u200c\u200d\u2060\ufeff")]
)
_TAG = re.compile(
    r"\s*</?(?:b|i|u|em|strong|span|p|br|div|font|small|big|sub|sup|mark|h\d|li|ul)\b[^<>]{0,200}>\s*",
    re.IGNORECASE,
)
_QUIET = str.maketrans("", "", "\"'’‘“”™®©*%")
_CONTRADICTIONS = {
    "black": frozenset({"light", "pale", "pastel", "bright", "neon", "mid"}),
    "white": frozenset({"light", "dark", "pale", "neon", "mid", "reddish"}),
}
_BLENDS = frozenset(
    frozenset(pair.split("-"))
    for pair in (
        "blue-green", "blue-grey", "green-grey", "brown-grey", "yellow-green", "red-orange",
        "orange-yellow", "blue-purple", "red-purple", "red-brown", "orange-brown", "purple-pink",
        "blue-violet", "red-violet", "pink-red", "beige-grey", "beige-brown", "pink-orange",
    )
)  # fmt: skip
_SPACED_BLENDS = frozenset({"grey", "brown"})
"""With one of these a blend may be written in two words: "blue grey", not "red orange"."""


@dataclass(frozen=True)
class Word:
    """A word, or a part between hyphens: `text[start:end]`, and what stands before it."""

    key: str  # lower case, without an 's
    start: int
    end: int
    gap: str  # "" at the start, " ", "-" within a word with hyphens, else what parts segments


@dataclass(frozen=True)
class Phrase:
    """A colour, read whole: words[first:last + 1]; `head` is the word that says which."""

    first: int
    last: int
    head: str


def same(colour: str) -> str:
    """`colour` in lower case with single blanks for hyphens, gray as grey."""
    spaced = re.sub(f"[{HYPHENS}\\s]+", " ", colour.lower()).strip()
    return spaced.replace("gray", "grey")


def clean(text: str) -> str:
    """`text` without HTML entities and text tags, invisible characters and odd blanks."""
    plain = html.unescape(text) if "&" in text else text
    plain = _TAG.sub(" ", plain) if "<" in plain else plain
    plain = unicodedata.normalize("NFC", plain.translate(_INVISIBLE))
    return re.sub(r"[^\S\n ]", " ", plain).strip()


class Title:
    """A cleaned title, parsed."""

    def __init__(self, text: str, extra: Sequence[str] = ()) -> None:
        self.text = text
        self._extra = frozenset(map(same, extra))
        self.words = list(_words(text))

    @cached_property
    def phrases(self) -> list[Phrase]:
        """The colour phrases from left to right."""
        found: list[Phrase] = []
        at = len(self.words) - 1
        while at >= 0:
            phrase = self._phrase_ending(at)
            if phrase:
                found.append(phrase)
            at = phrase.first - 1 if phrase else at - 1
        firsts, lasts = {p.first for p in found}, {p.last for p in found}
        return [phrase for phrase in found[::-1] if self._is_whole(phrase, firsts, lasts)]

    @cached_property
    def colour_at(self) -> dict[int, Phrase]:
        """Each word that is in a colour phrase → the phrase."""
        return {at: phrase for phrase in self.phrases
                for at in range(phrase.first, phrase.last + 1)}  # fmt: skip

    def segment(self, at: int) -> range:
        """The words around `at` up to the punctuation that parts segments."""
        first, last = at, at + 1
        while first > 0 and self.words[first].gap in (" ", "-"):
            first -= 1
        while last < len(self.words) and self.words[last].gap in (" ", "-"):
            last += 1
        return range(first, last)

    def said(self, first: int, last: int) -> str:
        """The text from word `first` to word `last`."""
        return self.text[self.words[first].start : self.words[last].end]

    def keys(self, first: int, last: int) -> str:
        """The words' keys, single blanks between them, gray as grey."""
        return " ".join(w.key for w in self.words[first : last + 1]).replace("gray", "grey")

    def _phrase_ending(self, at: int) -> Phrase | None:
        given = self._of_extra(at)
        if given:
            return given
        last = at
        if self.words[at].key in ("coloured", "colored") and self._joined(at):
            at -= 1
        head = self.words[at].key
        if head not in colour_kinds() and head not in self._extra:
            return None
        first = at
        while width := self._qualifier_before(first, head):
            first -= width
        return Phrase(first, last, head)

    def _of_extra(self, at: int) -> Phrase | None:
        """A colour of several words that the config or the row names."""
        for first in range(max(0, at - 3), at):
            if self.keys(first, at) in self._extra and self.is_run(first, at):
                return Phrase(first, at, self.words[at].key)
        return None

    def is_run(self, first: int, last: int) -> bool:
        """Whether no punctuation but hyphens is between the words."""
        return all(self._joined(at) for at in range(first + 1, last + 1))

    def _qualifier_before(self, first: int, head: str) -> int:
        """How many words before `first` are a part of the colour: 0, 1 or 2."""
        if not self._joined(first):
            return 0
        before = self.words[first - 1]
        known = qualifiers_of(head)
        if self._joined(first - 1) and f"{self.words[first - 2].key}-{before.key}" in known:
            return 2
        if before.key in _CONTRADICTIONS.get(head, ()) or self._is_depth(first - 1):
            return 0
        whole = before.key + "".join(w.key for w in self.words[first : first + 2])
        web = before.key + head in WEB or whole in WEB
        if before.key == "medium":
            return int(web and self.words[first].gap == "-")
        return int(before.key in known or web or self._is_blend(before.key, head, first))

    def _is_depth(self, at: int) -> bool:
        """Whether "deep" is a measure: "20 cm deep"."""
        before = self.words[at - 1].key if self._joined(at) else ""
        is_measure = before in ("cm", "mm", "inch", "inches", "extra") or before[:1].isdigit()
        return self.words[at].key == "deep" and is_measure

    def _is_blend(self, left: str, right: str, at: int) -> bool:
        pair = frozenset({left.replace("gray", "grey"), right.replace("gray", "grey")})
        spaced = self.words[at].gap == " "
        return pair in _BLENDS and (not spaced or bool(pair & _SPACED_BLENDS))

    def _joined(self, at: int) -> bool:
        return at > 0 and self.words[at].gap in (" ", "-")

    def _is_whole(self, phrase: Phrase, firsts: set[int], lasts: set[int]) -> bool:
        """Whether no word with hyphens is cut, as "infra-red" and "red-haired" would be."""
        before = self.words[phrase.first].gap == "-" and phrase.first - 1 not in lasts
        after = phrase.last + 1
        cut = after < len(self.words) and self.words[after].gap == "-" and after not in firsts
        return not before and not cut


def _words(text: str) -> Iterator[Word]:
    hidden = _NOT_TEXT.sub(lambda found: "|" * len(found[0]), text)
    done = 0
    for found in _WORD.finditer(hidden):
        yield Word(_key(found[0]), *found.span(), _gap(hidden[done : found.start()], done == 0))
        done = found.end()


def _key(word: str) -> str:
    key = word.lower().replace("’", "'")
    return key.removesuffix("'s").rstrip("'")


def _gap(between: str, is_first: bool) -> str:
    if is_first:
        return ""
    if len(between) == 1 and between in HYPHENS:
        return "-"
    quiet = between.translate(_QUIET)
    return " " if quiet.isspace() or not quiet else quiet
