"""The place of a product's colour in its title, decided or told. Knows no target."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from pipeline.errors import RowError
from pipeline.prompts._chain import AND, is_plain, items
from pipeline.prompts._lexicon import families, family, look_up, words
from pipeline.prompts._product import verdicts
from pipeline.prompts._title import Phrase, Title, same
from pipeline.prompts._verdict import Verdict

_CODE = re.compile(
    r"#(?:[0-9a-f]{6}|(?=\d*[a-f])[0-9a-f]{3})\b|\bRAL[\s-]?\d{4}\b|\bpantone\b|\b(?:rgb|hsl)a?\(",
    re.IGNORECASE,
)

_BETWEEN = re.compile(r"(?:,?\s+(?!(?:and|or|on|in|with|of|the|a|an)\b)[\w-]+){0,3},?\s+")


@dataclass(frozen=True)
class Place:
    """The spans of the title that say the product's colour, and that colour."""

    spans: tuple[tuple[int, int], ...]
    colour: str


def own_colour(title: Title, objects: frozenset[str] = frozenset()) -> Place:
    """The product's colour in the title alone.

    Raises RowError `no_colour`, `unclear_colour`, `several_colours`, `colour_code`,
    `other_language`.
    """
    refuse_code(title.text)
    told = verdicts(title, objects)
    counted = _settled(title, told)
    if not counted:
        raise _unclear(title, told)
    every = _with_linked(title, [verdict.phrase for verdict in counted])
    if len({_same(title, phrase) for phrase in every}) > 1:
        names = " and ".join(repr(_said(title, phrase)) for phrase in every[:3])
        raise RowError("several_colours", f"{names} in {title.text[:200]!r}: which is to change?")
    if counted[0].sort == "sure":
        _refuse_doubt(title, told)
    return _place(title, [verdict.phrase for verdict in counted])


def matching(title: Title, colour: str, objects: frozenset[str] = frozenset()) -> Place | None:
    """Where the title names `colour`, which a column gives; None where it names no colour.

    Raises RowError `colour_differs` or `unclear_colour` where it names others.
    """
    refuse_code(title.text)
    told = verdicts(title, objects)
    alike = [v for v in told if _is_kind_of(title, v.phrase, colour)]
    found = [
        v.phrase if v.counts else _whole_name(title, v.phrase)
        for v in alike
        if v.counts or _is_meant(title, v, colour)
    ]
    if found:
        return _place(title, found)
    other = next((v for v in told if v.counts), None)
    if other:
        said = _said(title, other.phrase)
        raise RowError("colour_differs", f"the title says {said!r}, the column {colour!r}")
    doubt = any(v.sort == "named" or (is_plain(v.phrase) and v.sort != "name") for v in told)
    if alike or doubt or _foreign(title):
        raise _unclear(title, told)
    return None


def attached(title: Title, noun: tuple[int, int], objects: frozenset[str]) -> Place | None:
    """The colour of the noun at `noun`; None where it has none.

    Raises RowError `unclear_colour`, `several_colours`, `colour_code`.
    """
    refuse_code(title.text)
    told = verdicts(title, objects)
    before = [
        v
        for v in told
        if v.sort not in ("name", "named") and _stands_before(title, v.phrase, noun[0])
    ]
    if before:
        return _place(title, [before[-1].phrase])
    if any(v.counts and _stands_behind(title, v.phrase, noun[1]) for v in told):
        return own_colour(title, objects)
    doubt = next(
        (v for v in told if v.sort in ("name", "named", "unclear") and is_plain(v.phrase)), None
    )
    if doubt:
        raise _unclear(title, told)
    return None


def _stands_before(title: Title, phrase: Phrase, noun: int) -> bool:
    """Whether nothing but a few adjectives is between: "red, glossy mug", not "red and a mug"."""
    end = title.words[phrase.last].end
    return end <= noun and bool(_BETWEEN.fullmatch(title.text, end, noun))


def _stands_behind(title: Title, phrase: Phrase, noun: int) -> bool:
    return title.words[phrase.first].start >= noun


def _is_meant(title: Title, verdict: Verdict, colour: str) -> bool:
    """Whether a phrase that is unclear in itself is the colour, since the column says so."""
    phrase = verdict.phrase
    if verdict.sort == "thing" and look_up(phrase.head, "modifiers") is None:
        words_of = set(_same(title, phrase).split())
        return verdict.section in ("soft", "hard", "object") and words_of <= set(
            same(colour).split()
        )
    return verdict.sort == "unclear" and is_plain(phrase)


def _whole_name(title: Title, phrase: Phrase) -> Phrase:
    """The phrase with the words before it where they are a later segment's all: ", Quartz Pink"."""
    start = title.segment(phrase.first).start
    before = list(items(title, start, phrase.first, frozenset()))
    strange = all(item.sort in ("unknown", "stuff") for item in before)
    return Phrase(start, phrase.last, phrase.head) if start and strange else phrase


def refuse_code(text: str) -> None:
    """Raises RowError `colour_code`: a word that is changed would contradict the code."""
    code = _CODE.search(text)
    if code:
        raise RowError(
            "colour_code",
            f"{code[0]!r} is a colour code, which no word can replace: {text[:200]!r}",
        )


def _settled(title: Title, told: Sequence[Verdict]) -> list[Verdict]:
    """The verdicts that count, the surest sort alone where it is "Colour: …"."""
    counted = [verdict for verdict in told if verdict.counts]
    explicit = [verdict for verdict in counted if verdict.sort == "explicit"]
    same = {_same(title, verdict.phrase) for verdict in explicit}
    if explicit:
        return [v for v in counted if v.sort != "sure" or is_plain(v.phrase) or
                _same(title, v.phrase) in same]  # fmt: skip
    return [v for v in counted if not _is_material(title, v, counted)]


def _is_material(title: Title, verdict: Verdict, counted: Sequence[Verdict]) -> bool:
    """Whether a word like "gold" directly follows a plain colour: the colour is the plain one."""
    first = verdict.phrase.first
    return not is_plain(verdict.phrase) and any(
        is_plain(other.phrase) and other.phrase.last + 1 == first and title.words[first].gap == " "
        for other in counted
    )


def _with_linked(title: Title, phrases: Sequence[Phrase]) -> list[Phrase]:
    """The phrases, and those that a slash or an "and" links to one of them."""
    found = list(phrases)
    for left, right in pairwise(title.phrases):
        between = title.words[left.last + 1 : right.first + 1]
        linked = [w.key for w in between[:-1] if w.key not in AND] == [] and (
            len(between) > 1 or between[0].gap.strip() in ("/", "|")
        )
        follows = len(between) == 1 and between[0].gap == " " and right in phrases
        if (linked or follows) and (left in phrases) != (right in phrases):
            found.append(left if right in phrases else right)
    return found


def _refuse_doubt(title: Title, told: Sequence[Verdict]) -> None:
    doubt = next((v for v in told if v.sort == "unclear" and is_plain(v.phrase)), None)
    if doubt:
        raise RowError("unclear_colour", f"{doubt.why}: {title.text[:200]!r}")


def _unclear(title: Title, told: Sequence[Verdict]) -> RowError:
    if told:
        first = next((v for v in told if is_plain(v.phrase)), told[0])
        why = first.why
        return RowError(
            "unclear_colour", f"{why}; no colour of the product in {title.text[:200]!r}"
        )
    foreign = _foreign(title)
    if foreign:
        return RowError("other_language", f"{foreign!r} is no English colour: {title.text[:200]!r}")
    return RowError("no_colour", f"no colour word in {title.text[:200]!r}")


def _foreign(title: Title) -> str:
    return next((w.key for w in title.words if w.key in words("foreign")), "")


def _place(title: Title, phrases: Sequence[Phrase]) -> Place:
    spans = tuple((title.words[p.first].start, title.words[p.last].end) for p in phrases)
    return Place(spans, _said(title, phrases[0]))


def _said(title: Title, phrase: Phrase) -> str:
    return title.said(phrase.first, phrase.last)


def _same(title: Title, phrase: Phrase) -> str:
    return title.keys(phrase.first, phrase.last)


def _is_kind_of(title: Title, phrase: Phrase, colour: str) -> bool:
    """Whether the phrase can say the column's colour: the same, a part of it, or its kind."""
    said = set(_same(title, phrase).split())
    given = set(same(colour).split())
    if said <= given or given <= said:
        return True
    bases = families().get(phrase.head, frozenset({phrase.head}))
    return bool(bases & family(colour)) and _one_is_basic(phrase, colour)


def _one_is_basic(phrase: Phrase, colour: str) -> bool:
    """One of the two is a basic colour ("blue"), of which the other ("navy") is a kind."""
    basics = frozenset().union(*families().values())
    return phrase.head in basics or same(colour).split()[-1] in basics
