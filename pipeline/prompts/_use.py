"""How a word is used where it stands: as a noun or an adjective, one or many. Knows no swap.

Rules of position, no grammar: what cannot be told from the words beside it stays as it is.
"""

from __future__ import annotations

import re

from pipeline.prompts._lexicon import colour_kinds, grammar, words
from pipeline.prompts._phrases import phrase_at
from pipeline.prompts._title import Title

_FORM_OF_VERB = re.compile(r".{2,}(?:ing|ly)|.+[^e]ed")
_DETERMINED = 4
"""Words before a noun among which its number is looked for: "two very small brown sheep"."""


def word_class(group: list[str]) -> str:
    """`adjective`, `noun` or `any` (forms of verbs), as most words of the group can be."""
    classes = [_classes(word) for word in group]
    count = {which: sum(which in can for can in classes) for which in ("adjective", "noun", "any")}
    if count["adjective"] == count["noun"] and not all(map(_is_of_product, group)):
        return "noun"
    return max(count, key=lambda which: count[which])


def _classes(word: str) -> set[str]:
    """What a word can be: "glass" and "orange" are nouns too, "wooden" and "red" are not."""
    *_, last = word.replace("-", " ").split()
    if last in colour_kinds():
        is_only = colour_kinds()[last] == "plain" and last != "orange"
        return {"adjective"} if is_only else {"adjective", "noun"}
    if last in grammar("adjective") or is_adjective_only(last):
        return {"adjective"}
    if last in words("modifiers"):
        return {"adjective", "noun"}
    return {"any"} if re.fullmatch(r".{2,}ing|.+[^e]ed", last) else {"noun"}


def is_adjective_only(material: str) -> bool:
    """Whether a material is no noun: a wooden chair, but a chair of wood."""
    return material in ("wooden", "golden", "woollen", "woolen", "silken", "earthen")


def _is_of_product(word: str) -> bool:
    """Whether the word says a colour or a material."""
    last = word.replace("-", " ").split()[-1]
    return last in colour_kinds() or words("modifiers").get(last) == "materials"


def stays(title: Title, first: int, last: int, which: str) -> str:
    """Why the word at [first, last] of class `which` is not to be swapped; empty where it is."""
    said = title.said(first, last)
    fixed = phrase_at(title, first, last, "fixed") or phrase_at(title, first, last, "phrases")
    if fixed:
        return f"{said!r} stays: a part of {fixed[0]!r}"
    if which == "any":
        return ""
    if which == "noun":
        return _why_no_noun(title, first, last)
    if _is_attributive(title, last) or _is_predicative(title, first):
        return ""
    return f"{said!r} stays: it is no adjective there"


def _why_no_noun(title: Title, first: int, last: int) -> str:
    said = title.said(first, last)
    if _is_attributive(title, last):
        return f"{said!r} stays: it belongs to the next word"
    before = title.words[first - 1].key if title.is_run(first - 1, first) and first else ""
    is_noun = before in words("things") or before in words("stuff")
    if is_noun and before not in words("modifiers") and before not in colour_kinds():
        return f"{said!r} stays: it belongs to {before!r}"
    return ""


def _is_attributive(title: Title, last: int) -> bool:
    """Whether a noun follows that the word describes: "red mug", "red and white mug"."""
    after = last + 1
    if after >= len(title.words) or title.words[after].gap.strip(" ,-"):
        return False
    key = title.words[after].key
    if key in grammar("and"):
        follows = after + 1 < len(title.words)
        return follows and _is_adjective(title, after + 1) and _is_attributive(title, after + 1)
    closed = any(key in grammar(kind) for kind in ("boundary", "filler", "verb"))
    return not closed and (_is_adjective(title, after) or not _FORM_OF_VERB.fullmatch(key))


def _is_adjective(title: Title, at: int) -> bool:
    return title.words[at].key in colour_kinds() or title.words[at].key in words("modifiers")


def _is_predicative(title: Title, first: int) -> bool:
    """Whether the word ends what a verb begins: "the mug is red", "made of glass", "in red"."""
    before = [word.key for word in title.words[max(0, first - 2) : first]]
    if not before:
        return False
    if before[-1] in grammar("linking") or (before[-1] == "in" and _is_plain(title, first)):
        return True
    return before[-1] in grammar("made of") and before[0] in ("made", "built", "carved", "out")


def _is_plain(title: Title, at: int) -> bool:
    return colour_kinds().get(title.words[at].key) == "plain"


def is_after_made_of(title: Title, first: int) -> bool:
    """Whether a noun is asked for: "made of glass", never "made of wooden"."""
    return first > 0 and title.words[first - 1].key in grammar("made of")


def number_at(title: Title, first: int, last: int) -> str | None:
    """`singular` or `plural` of a noun that has one form ("sheep"), by the words beside it."""
    if last + 1 < len(title.words):
        after = title.words[last + 1].key
        for number in ("singular", "plural"):
            if after in grammar(number) and after in grammar("verb"):
                return number
    for word in reversed(title.words[max(0, first - _DETERMINED) : first]):
        if word.key in grammar("boundary"):
            return None
        if word.key.isdigit():
            return "singular" if word.key == "1" else "plural"
        for number in ("singular", "plural"):
            if word.key in grammar(number):
                return number
    return None
