"""Names and fixed phrases in a caption: "Red Bull", "hot dog", "a glass of wine". Knows no rule."""

from __future__ import annotations

from pipeline.prompts._lexicon import grammar, phrases
from pipeline.prompts._title import Title
from pipeline.prompts._words import singulars


def phrase_at(title: Title, first: int, last: int, name: str) -> tuple[str, str] | None:
    """The phrase of list `name` that has a word of [first, last], as it is said; its section."""
    _, longest = phrases(name)
    for start in range(max(0, first - longest + 1), last + 1):
        for stop in range(max(start, first), min(len(title.words), start + longest)):
            section = _section(title, start, stop, name)
            if section is not None:
                return title.said(start, stop), section
    return None


def _section(title: Title, start: int, stop: int, name: str) -> str | None:
    known, _ = phrases(name)
    *keys, end = (word.key for word in title.words[start : stop + 1])
    ends = (*singulars(end), "*")
    section = next((known[k] for word in ends if (k := (*keys, word)) in known), None)
    if section is None or not title.is_run(start, stop):
        return None
    if section == "light" and not any(word.key in grammar("light") for word in title.words):
        return None
    return section
