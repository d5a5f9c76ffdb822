"""A planned swap → the sentence that asks for it, and the one that asks for it back.

In the manner of InstructPix2Pix (Brooks et al. 2023, section 3.1): "make the mug red", "replace the
dog with a cat". Knows no rule.
"""

from __future__ import annotations

from pipeline.prompts._inflection import article
from pipeline.prompts._lexicon import colour_kinds, grammar, words
from pipeline.prompts._title import Title
from pipeline.prompts._words import is_sentence

AROUND = ("background", "place")
"""Types of edits whose word is not a thing in the picture but what is around it."""


def of_adjective(new: str, noun: str | None, old: str | None = None) -> str:
    """For a colour, a material or a state."""
    if noun is None and old:
        return f"change {old} to {new}"
    return f"make {f'the {noun}' if noun else 'it'} {new}"


def of_noun(old: str, new: str, kind: str | None, number: str) -> str:
    """For a thing or its surroundings; `old` and `new` stand in their `number`."""
    one = new if number in ("plural", "no singular") else f"{article(new) or 'a'} {new}"
    return f"change the background to {one}" if kind in AROUND else f"replace the {old} with {one}"


def described(title: Title, start: int, end: int) -> str | None:
    """The noun that the adjective at `text[start:end]` describes; None where it cannot be told."""
    inside = [i for i, w in enumerate(title.words) if w.start < end and start < w.end]
    if not inside:
        return None
    return _behind(title, inside[-1] + 1) or _before(title, inside[0])


def _behind(title: Title, first: int) -> str | None:
    """ "red" → "coffee mug" in "a red, shiny coffee mug on a table"."""
    while first < len(title.words) and _gap(title, first, " ,-") and _is_adjective(title, first):
        first += 1
    last = first
    while last < len(title.words) and _gap(title, last, " -") and not _ends(title, last):
        last += 1
    return _plain(title, first, last - 1) if last > first else None


def _before(title: Title, first: int) -> str | None:
    """ "red" → "mug" in "the mug is red"."""
    verb = first - 1
    if verb < 1 or title.words[verb].key not in grammar("linking") or _ends(title, verb - 1):
        return None
    return _plain(title, verb - 1, verb - 1)


def _gap(title: Title, at: int, allowed: str) -> bool:
    return not title.words[at].gap.strip(allowed)


def _is_adjective(title: Title, at: int) -> bool:
    key, after = title.words[at].key, at + 1
    known = key in colour_kinds() or key in words("modifiers") or key in grammar("adjective")
    joined = key in grammar("and") or known
    return joined and after < len(title.words) and not _ends(title, after)


def _ends(title: Title, at: int) -> bool:
    key = title.words[at].key
    return any(key in grammar(kind) for kind in ("boundary", "filler", "verb", "and"))


def _plain(title: Title, first: int, last: int) -> str:
    said = title.said(first, last)
    return said if is_sentence(title.text) else said.lower()
