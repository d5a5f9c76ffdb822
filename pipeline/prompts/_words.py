"""Words in a caption: found whole, replaced with case and a/an kept. Knows no rule and no list.

A hyphen belongs to its word: `red` is not found in "infra-red" or "red-haired".
"""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Iterator

from pipeline.errors import RowError
from pipeline.prompts._inflection import article

MAX_PROMPT = 2000
"""Characters; text encoders read 77 tokens, so that anything longer is not a caption."""

_SMALL = frozenset(
    ("a", "an", "the", "and", "or", "of", "in", "on", "with", "for", "to", "by", "at", "from", "is")
)
_ARTICLE = re.compile(r"(?<![\w-])(a|an)(\s+)$", re.IGNORECASE)


def checked(text: str | None) -> str:
    """`text` where it can be a prompt. Raises RowError `no_caption` or `caption_too_long`."""
    if text is None or not text.strip():
        raise RowError("no_caption", "the row has no caption to plan edits from")
    if len(text) > MAX_PROMPT:
        raise RowError(
            "caption_too_long", f"the caption has {len(text)} characters; {MAX_PROMPT} are allowed"
        )
    return text


def whole_words(words: Iterable[str], prefix: str = "") -> re.Pattern[str]:
    """A pattern of any of `words` standing alone, the longest first; `prefix` is a regex."""
    longest_first = sorted({normal(word) for word in words}, key=lambda word: (-len(word), word))
    choices = "|".join(re.escape(word).replace(r"\ ", r"\s+") for word in longest_first)
    return re.compile(rf"(?<![\w-]){prefix}(?:{choices})(?![\w-])", re.IGNORECASE)


def normal(word: str) -> str:
    """`word` in lower case with single blanks: equal where two spellings are one word."""
    return " ".join(word.lower().split())


def nouns(words: Iterable[str]) -> re.Pattern[str]:
    """A pattern of any of `words`, in the singular and the plural."""
    every = {form for word in words for form in (*singulars(normal(word)), normal(word))}
    return whole_words({f"{form}{end}" for form in every for end in ("", "s", "es")})


def singulars(word: str) -> Iterator[str]:
    """`word` and what it may be the plural of, by its ending; no claim that these are words."""
    yield word
    if word.endswith("ies"):
        yield word[:-3] + "y"
    if word.endswith("ves"):
        yield from (word[:-3] + "f", word[:-3] + "fe")
    if word.endswith("es"):
        yield word[:-2]
    if word.endswith("s") and not word.endswith("ss"):
        yield word[:-1]


def replaced(caption: str, spans: Iterable[tuple[int, int]], word: str) -> str:
    """`caption` with `word` at each (start, end), in the case of what stood there."""
    return replaced_each(caption, [(start, end, word) for start, end in spans])


def replaced_each(caption: str, places: Iterable[tuple[int, int, str]]) -> str:
    """`caption` with a word at each (start, end, word), in the case of what stood there."""
    parts: list[str] = []
    done = 0
    sentence = is_sentence(caption)
    for start, end, word in places:
        titled = not sentence or bool(caption[:start].strip())
        new = in_case_of(caption[start:end], word, titled)
        parts += [with_article(caption[done:start], new, word), new]
        done = end
    return "".join([*parts, caption[done:]])


def with_article(before: str, word: str, spoken: str | None = None) -> str:
    """`before` with an a/an at its end made to suit `word`; it stands where no rule is sure.

    `spoken` is the word in its own case, where `word` is in capitals for its place alone.
    """
    found = _ARTICLE.search(before)
    if found and found[1] == "AN" and word.isupper():
        spoken = word.lower()
    wanted = article(spoken or word) if found else None
    if not found or wanted is None or wanted == found[1].lower():
        return before
    shouted = found[1].isupper() and len(word) > 1 and word.isupper()
    wanted = wanted.upper() if shouted else in_case_of(found[1][0], wanted)
    return before[: found.start()] + wanted + found[2]


def is_sentence(text: str) -> bool:
    """Whether most words behind the first are in lower case: no Title Case, no CAPITALS."""
    found: list[str] = re.findall(r"[^\W\d_]{2,}", text)
    rest = [word for word in found[1:] if word.lower() not in _SMALL]
    return 2 * sum(word.islower() for word in rest) > len(rest)


def in_case_of(found: str, word: str, titled: bool = False) -> str:
    """`word` in the case of `found`: red → blue, RED → BLUE, Dark Red → Sky Blue.

    Red → Sky blue, as a sentence begins, or Sky Blue where it is `titled`.
    """
    if found.isupper() and len(found) > 1:
        return word.upper()
    if found[:1].isupper() and (titled or (" " in found and found.istitle())):
        return _titled(word)
    if found[:1].isupper():
        return word[:1].upper() + word[1:]
    return word


def _titled(word: str) -> str:
    """Title Case, a capital only where a word begins: "off-white" → "Off-White"."""
    return re.sub(r"(?<![\w'’])\w", lambda found: found[0].upper(), word)


def slug(text: str) -> str:
    """`text` as an edit's name: a-z, 0-9 and single hyphens, 1 to 48 characters.

    What is cut off or cannot be spelt so is told by a digest at the end.
    """
    ascii_text = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    name = re.sub(r"[^a-z0-9]+", "-", ascii_text).strip("-")
    lossy = len(name) > 48 or any(c.isalnum() and not c.isascii() for c in text)
    if not name or lossy:
        digest = hashlib.blake2b(text.encode(), digest_size=4).hexdigest()
        name = f"{name[:39]}-{digest}".strip("-")
    return name


def unique_names(texts: Iterable[str]) -> list[str]:
    """The slug of each text; a repeated one is counted on: blue, blue-2, blue-3."""
    names: list[str] = []
    taken: set[str] = set()
    for text in texts:
        name, count = slug(text), 1
        while name in taken:
            count += 1
            name = f"{slug(text)}-{count}"
        taken.add(name)
        names.append(name)
    return names
