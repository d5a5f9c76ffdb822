"""A product's caption → the same product in other colours. Knows no other attribute."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field

from pipeline.errors import RowError
from pipeline.prompts._lists import COLOUR_WORDS
from pipeline.prompts._rule import PlannedEdit, Rule
from pipeline.prompts._words import (
    checked,
    in_case_of,
    normal,
    replaced,
    unique_names,
    whole_words,
    with_article,
)
from pipeline.section import Section

Word = Annotated[str, Field(min_length=1, pattern=r"\w")]

SHADE = r"(?:(?:dark|light|pale|bright|deep|pastel|vivid)(?:\s+|-))?"
# "red, glossy ceramic mug" is the mug's colour; "red table with a mug" is not.
BETWEEN = re.compile(r"(?:,?\s+(?!(?:and|or|on|in|with|of|the|a|an)\b)[\w-]+){0,3},?\s+")


class Config(Section):
    """The colour word of the caption is replaced by each of the colours given."""

    type: Literal["recolor"] = "recolor"
    colours: tuple[Word, ...] = Field(
        ("red", "yellow", "green", "blue", "purple", "black", "white"),
        min_length=1,
        description="Colours for each product; the one that it has is left out.",
    )
    object: Word | tuple[Word, ...] = Field(
        (),
        description="Noun, or nouns, of the product: its colour is changed, or put before it "
        "where it has none. Unset: the first colour word of the caption is changed.",
    )
    on_missing: Literal["dead", "pass"] = Field(
        "dead", description="No colour word (or no such noun): dead letter, or nothing to do."
    )


def build(config: Config) -> Rule:
    """The rule of `config`."""
    objects = (config.object,) if isinstance(config.object, str) else config.object
    return RecolorRule(
        config,
        whole_words((*COLOUR_WORDS, *config.colours), prefix=SHADE),
        whole_words(objects) if objects else None,
    )


@dataclass(frozen=True)
class RecolorRule:
    """One edit for each colour that the product doesn't have yet, named after the colour."""

    config: Config
    colour_pattern: re.Pattern[str]
    object_pattern: re.Pattern[str] | None

    def columns(self) -> list[str]:
        """None: only the caption is read."""
        return []

    def plan(self, caption: str | None, columns: Mapping[str, Any]) -> list[PlannedEdit]:
        """The product in each other colour.

        Raises RowError: `no_caption`, `caption_too_long`, `no_colour`, `no_object`.
        """
        text = checked(caption)
        try:
            start, end = self._place(text)
        except RowError:
            if self.config.on_missing == "pass":
                return []
            raise
        has = _same(text[start:end])
        colours = [c for c in dict.fromkeys(map(normal, self.config.colours)) if _same(c) != has]
        return [
            PlannedEdit(name, text, _coloured(text, start, end, colour))
            for name, colour in zip(unique_names(colours), colours, strict=True)
        ]

    def _place(self, text: str) -> tuple[int, int]:
        """Where the product's colour stands; an empty span before the noun where it has none."""
        colours = [found.span() for found in self.colour_pattern.finditer(text)]
        if self.object_pattern is None:
            if not colours:
                raise RowError("no_colour", f"no colour word in {text[:200]!r}")
            return colours[0]
        noun = self.object_pattern.search(text)
        if noun is None:
            raise RowError("no_object", f"no word of prompts.object in {text[:200]!r}")
        for start, end in reversed(colours):
            if end <= noun.start() and BETWEEN.fullmatch(text, end, noun.start()):
                return start, end
        return noun.start(), noun.start()


def _same(colour: str) -> str:
    return normal(colour).replace("-", " ").replace("gray", "grey")


def _coloured(text: str, start: int, end: int, colour: str) -> str:
    if start < end:
        return replaced(text, [(start, end)], colour)
    noun = text[start:].split(maxsplit=1)[0]
    word = in_case_of(noun, colour)
    rest = text[start:]
    if start == 0 and noun.istitle():
        rest = rest[0].lower() + rest[1:]
    return with_article(text[:start], word) + word + " " + rest
