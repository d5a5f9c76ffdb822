"""A colour put into a title that names none: before the noun and its material. Reads no config."""

from __future__ import annotations

from pipeline.errors import RowError
from pipeline.prompts._chain import Item, items
from pipeline.prompts._title import Title
from pipeline.prompts._words import in_case_of, is_sentence, with_article

_CLOSE = ("materials", "styles")
"""What stands between a colour and its noun: "orange ceramic mug", "orange striped shirt"."""


def before_product(title: Title, colour: str) -> str:
    """The title with `colour` before its product. Raises RowError `no_colour`."""
    every = list(items(title, 0, len(title.words), frozenset()))
    head = _head(every)
    if head is None:
        raise RowError(
            "no_colour",
            f"{title.text[:200]!r} does not name {colour!r}, nor a product that is known: "
            "name the column of its noun in prompts.object",
        )
    return _put(title, every, head, colour)


def before_noun(title: Title, span: tuple[int, int], colour: str) -> str:
    """The title with `colour` before the noun at `span`."""
    every = list(items(title, 0, len(title.words), frozenset()))
    at = next(i for i, item in enumerate(every) if title.words[item.last].end > span[0])
    return _put(title, every, at, colour)


def _head(every: list[Item]) -> int | None:
    """The last thing of the first run of things, up to a preposition or punctuation."""
    head: int | None = None
    for at, item in enumerate(every):
        if item.sort == "boundary" and head is not None:
            break
        if item.sort == "thing" and (head is None or every[at - 1].sort in ("thing", "modifier")):
            head = at
    return head


def _put(title: Title, every: list[Item], at: int, colour: str) -> str:
    while at > 0 and every[at - 1].section in _CLOSE and title.words[every[at].first].gap == " ":
        if every[at - 1].first - 1 in title.colour_at:  # "Silver Cross" is not to be parted
            break
        at -= 1
    word = title.words[every[at].first]
    before, rest = title.text[: word.start], title.text[word.start :]
    titled = not is_sentence(title.text) and any(map(str.isupper, title.text))
    found = title.text[word.start : word.end]
    found = found.capitalize() if titled and not found.isupper() else found
    new = in_case_of(found, colour, titled)
    if not before.strip() and is_sentence(title.text):
        rest = rest[0].lower() + rest[1:]
    return with_article(before, new, colour) + new + " " + rest
