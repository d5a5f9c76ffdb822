"""What the words of a title can be, and what follows a colour. Knows no rule and no decision."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from pipeline.prompts._lexicon import colour_kinds, grammar, look_up, words
from pipeline.prompts._title import Phrase, Title

AND = grammar("and")
_ADJECTIVE = re.compile(r".+[^e]ed|.{2,}(?:less|proof|resistant|repellent|like|free)|.{4,}[ai]ble")
_MEASURE = re.compile(r".*\d.*")


@dataclass(frozen=True)
class Item:
    """A word or a compound: words[first:last + 1] and its class.

    `thing` (with its section), `stuff` (with its section), `modifier`, `number`, `and`,
    `boundary`, `filler`, `colour` (a plain colour phrase) or `unknown`.
    """

    first: int
    last: int
    sort: str
    section: str = ""


def items(title: Title, first: int, stop: int, objects: frozenset[str]) -> Iterator[Item]:
    """The words of [first, stop) as items, compounds whole."""
    while first < stop:
        item = _item(title, first, stop, objects)
        yield item
        first = item.last + 1


def _item(title: Title, at: int, stop: int, objects: frozenset[str]) -> Item:
    for width in (3, 2, 1):
        last = at + width - 1
        if last >= stop or not title.is_run(at, last):
            continue
        item = _known(title, at, last, objects)
        if item:
            return item
    return _by_shape(title, at, stop)


def _known(title: Title, first: int, last: int, objects: frozenset[str]) -> Item | None:
    key = "-".join(word.key for word in title.words[first : last + 1])
    if key in objects or key.removesuffix("s") in objects:
        return Item(first, last, "thing", "object")
    if first == last and _is_cut(title, first):
        return None
    phrase = title.colour_at.get(first)
    if phrase and (phrase.first < phrase.last or is_plain(phrase)):
        return Item(first, phrase.last, "colour") if phrase.first == first == last else None
    lists = {"thing": "things", "stuff": "stuff", "modifier": "modifiers"}
    exact = [sort for sort, name in lists.items() if key in words(name)]
    for sort in exact or lists:
        section = look_up(key, lists[sort])
        if section is not None:
            return Item(first, last, sort, section)
    return _function_word(first, key) if first == last else None


def _function_word(at: int, key: str) -> Item | None:
    for sort in ("and", "filler", "boundary"):
        if key in grammar(sort):
            return Item(at, at, sort)
    return None


def _is_cut(title: Title, at: int) -> bool:
    """Whether word `at` is one part of a word with hyphens."""
    after = at + 1 < len(title.words) and title.words[at + 1].gap == "-"
    return after or title.words[at].gap == "-"


def _by_shape(title: Title, at: int, stop: int) -> Item:
    last = at
    while last + 1 < stop and title.words[last + 1].gap == "-":
        last += 1
    keys = [word.key for word in title.words[at : last + 1]]
    if any(map(_MEASURE.fullmatch, keys)):
        return Item(at, last, "number")
    if at < last and (section := look_up(keys[-1], "things")):
        return Item(at, last, "thing", section)
    if _ADJECTIVE.fullmatch(keys[-1]) or (at < last and all(k in words("modifiers") for k in keys)):
        return Item(at, last, "modifier")
    return Item(at, last, "unknown")


def is_plain(phrase: Phrase) -> bool:
    """Whether the phrase is a colour before any product; "gold", "olive" and "wine" are not."""
    return kind(phrase) == "plain"


def kind(phrase: Phrase) -> str:
    """`plain`, `metal`, `noun` or `weak`; a colour of the config alone is plain."""
    return colour_kinds().get(phrase.head, "plain")
