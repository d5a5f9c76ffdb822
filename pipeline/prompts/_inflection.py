"""Number and article of English words, by `inflect`. Knows no caption.

`inflect` takes over a second to import, so that it is asked only where spelling does not tell.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from inflect import engine

_SPOKEN_WITH_VOWEL = frozenset("AEFHILMNORSX")
"""Letters whose names begin with a vowel: an X-ray, an MP3."""
_SURELY_AN = re.compile(r"[ai]|e[^uw]|o[^nu]")
_SURELY_A = re.compile(r"[bcdfgjklmnpqrstvwxz]|h[aiuy]")
"""Spellings with one reading, by which most words are spared loading inflect."""
_EITHER = re.compile(r"herb|histor", re.IGNORECASE)


@cache
def _engine() -> engine:
    from inflect import engine

    return engine()


@cache
def article(word: str) -> str | None:
    """`a` or `an` before `word`; None where speakers differ or nothing tells ("LED", "herb")."""
    spoken = unicodedata.normalize("NFKD", word).strip("\"'“‘(")
    first = re.match(r"[A-Za-z]+|\d+", spoken)
    if first is None or _EITHER.match(spoken):
        return None
    if first[0].isdigit():
        return _before_number(re.sub(r"(?<=\d),(?=\d)", "", spoken))
    if len(first[0]) == 1 or _is_spelt(spoken):
        return "an" if first[0][0].upper() in _SPOKEN_WITH_VOWEL else "a"
    is_short = first[0].isupper() and len(first[0]) < 5  # LED, or RED in capitals?
    return None if is_short else _before_word(first[0])


def _before_number(text: str) -> str | None:
    digits = re.match(r"\d+", text)
    assert digits
    if digits[0].startswith("8"):
        return "an"
    if digits[0].startswith(("11", "18")) and len(digits[0]) > 2:
        return "an" if len(digits[0]) % 3 == 2 else None if len(digits[0]) == 4 else "a"
    return "an" if digits[0] in ("11", "18") else "a"


def _is_spelt(word: str) -> bool:
    """Whether letters are named one by one: MP3, DVD; not LED, which may be a word."""
    letters = re.match(r"[A-Z]+\d*", word)
    assert letters or word
    if letters is None or len(letters[0]) < 2 or word[letters.end() : letters.end() + 1].islower():
        return False
    return not re.search("[AEIOUY]", letters[0])


def _before_word(word: str) -> str:
    lower = word.lower()
    if _SURELY_AN.match(lower):
        return "an"
    if _SURELY_A.match(lower):
        return "a"
    return _engine().a(lower).split()[0]


@cache
def singular(word: str) -> str:
    """`word` in the singular; `word` itself where it is no plural."""
    if word.endswith(("ss", "us", "is")):
        return word
    found = _engine().singular_noun(word)
    return found if found and _engine().plural_noun(found) == word else word


@cache
def plural(word: str) -> str:
    """A singular noun's plural: mug → mugs, city street → city streets, sheep → sheep."""
    return _engine().plural_noun(word)
