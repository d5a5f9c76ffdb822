"""The word lists of `words/`: what a word of a product's title can be. Knows no title.

The lists are this project's own; the names of CSS colours are added from webcolors.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files

import webcolors

from pipeline.prompts._words import normal, singulars

WEB = frozenset(webcolors.names(webcolors.CSS3))
"""CSS names, in one word: "cornflowerblue"."""


def lines(name: str) -> Iterator[tuple[str, str]]:
    """(section, line) of a word list; a line that begins with # says something of the list."""
    section = ""
    for line in files("pipeline.prompts").joinpath(f"words/{name}.txt").read_text().splitlines():
        if line.startswith("["):
            section = line.strip("[]")
        elif line and not line.startswith("#"):
            yield section, line


@cache
def words(name: str) -> Mapping[str, str]:
    """Each word of a list → its section."""
    return {word: section for section, line in lines(name) for word in line.split()}


def grammar(section: str) -> frozenset[str]:
    """The small words of one kind, as prepositions are."""
    return _grammar()[section]


@cache
def _grammar() -> Mapping[str, frozenset[str]]:
    found: dict[str, set[str]] = {}
    for section, line in lines("grammar"):
        found.setdefault(section, set()).update(line.split())
    return {section: frozenset(every) for section, every in found.items()}


@cache
def phrases(name: str) -> tuple[Mapping[tuple[str, ...], str], int]:
    """Each fixed phrase of a list, in words → its section; and the words of the longest."""
    found = {tuple(w.removesuffix("'s") for w in line.split()): s for s, line in lines(name)}
    return found, max(map(len, found))


@cache
def colour_kinds() -> Mapping[str, str]:
    """Each single colour word → `plain`, `metal` or `noun` (which may be a thing's name too)."""
    kinds: dict[str, str] = {}
    for section, line in lines("colours"):
        base, _, names = line.partition(":")
        kinds.update(dict.fromkeys(names.split(), section))
        kinds.setdefault(base, section)
    return kinds


@cache
def families() -> Mapping[str, frozenset[str]]:
    """Each single colour word → the basic colours that it is a kind of: navy → blue."""
    found: dict[str, set[str]] = {}
    for _, line in lines("colours"):
        base, _, names = line.partition(":")
        for name in (base, *names.split()):
            found.setdefault(name, {name}).add(base)
    return {name: frozenset(bases) for name, bases in found.items()}


@cache
def _qualifiers() -> Mapping[str, frozenset[str]]:
    return {
        colour: frozenset(names.split())
        for _, line in lines("qualifiers")
        for colour, _, names in [line.partition(":")]
    }


@cache
def qualifiers_of(colour: str) -> frozenset[str]:
    """What may stand before a colour word as a part of the colour."""
    return _qualifiers().get(colour, frozenset()) | _qualifiers()["any"]


def look_up(word: str, name: str) -> str | None:
    """The section of list `name` that has `word` or its singular; None where it has neither."""
    return next((words(name)[w] for w in singulars(word) if w in words(name)), None)


def family(colour: str) -> frozenset[str]:
    """The basic colours of a colour phrase, told by its last word that has any."""
    known = [families()[word] for word in normal(colour).replace("-", " ").split()[::-1]
             if word in families()]  # fmt: skip
    return known[0] if known else frozenset()
