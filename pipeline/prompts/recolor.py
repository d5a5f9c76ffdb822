"""A product's title → the same product in other colours. Knows no other attribute."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from pydantic import Field

from pipeline.errors import RowError
from pipeline.prompts import _column
from pipeline.prompts._choice import Place, attached, matching, own_colour
from pipeline.prompts._insert import before_noun, before_product
from pipeline.prompts._instruction import described, of_adjective
from pipeline.prompts._rule import PlannedEdit, Rule
from pipeline.prompts._targets import ColourColumns, Colours, Target, Word, cell, of_word, targets
from pipeline.prompts._title import Title, clean, same
from pipeline.prompts._words import checked, normal, nouns, replaced, unique_names
from pipeline.section import Section


class Config(Section):
    """The product's colour in the caption is replaced by each of the colours given."""

    type: Literal["recolor"] = "recolor"
    colours: Colours = Field(
        ("red", "yellow", "green", "blue", "purple", "black", "white"),
        description="Colours for each product, the one that it has is left out: words, "
        "{name, hex} or {name, lab} for exact ones; or the row's columns: {name: …, hex: …}.",
    )
    source_colour: Word | None = Field(
        None,
        description="Column of the product's colour: the caption is searched for that one, and "
        "the prompts are built from it where the caption names none. Unset, or an empty cell: "
        "the caption alone is read.",
    )
    object: Word | tuple[Word, ...] = Field(
        (),
        description="Noun, or nouns, of the product, or the column of its noun: its colour is "
        "changed, or put before it where it has none. Unset: the caption tells.",
    )
    product: Word | None = Field(
        None,
        description="Column that names the product. All its photos get the same colours: a word "
        "without a hex means the colour that CSS calls so. Unset: each photo's own edit says.",
    )
    one_mask: bool = Field(
        False,
        description="One mask for all colours of a photo, made with the first of them: the same "
        "outline in each, for fewer evaluations.",
    )
    on_missing: Literal["dead", "pass"] = Field(
        "dead", description="No colour word (or no such noun): dead letter, or nothing to do."
    )

    @property
    def exact(self) -> bool:
        """Whether a colour may be asked for exactly."""
        if isinstance(self.colours, ColourColumns):
            return self.colours.hex is not None or self.product is not None
        return self.product is not None or any(not isinstance(c, str) for c in self.colours)


def build(config: Config) -> Rule:
    """The rule of `config`."""
    return RecolorRule(config)


@dataclass(frozen=True)
class Product:
    """What a row says of its product: noun(s), whether a column names them, and its colour."""

    nouns: tuple[str, ...]
    from_column: bool
    colour: str | None


@dataclass(frozen=True)
class RecolorRule:
    """One edit for each colour that the product doesn't have yet, named after the colour."""

    config: Config

    def columns(self) -> list[str]:
        """The columns that the config names; `object` is left out, for it may be a noun."""
        asked = self.config.colours
        named = [asked.name, asked.hex] if isinstance(asked, ColourColumns) else []
        return [name for name in (self.config.source_colour, self.config.product, *named) if name]

    def plan(self, caption: str | None, columns: Mapping[str, Any]) -> list[PlannedEdit]:
        """The product in each other colour.

        Raises RowError: `no_caption`, `caption_too_long`, `no_colour`, `no_object`, and where it
        cannot be told which words are to change: `unclear_colour`, `several_colours`,
        `colour_differs`, `colour_code`, `other_language`; `no_column`, `bad_value`,
        `no_exact_colour`.
        """
        product = self._product(columns)
        text = clean(checked(caption))
        asked = self._targets(columns)
        known = [*(colour.name for colour in asked), *([product.colour] if product.colour else ())]
        try:
            return self._shared(_edits(Title(text, known), product, asked))
        except RowError as error:
            if self.config.on_missing == "pass" and error.kind in ("no_colour", "no_object"):
                return []
            raise

    def _shared(self, edits: list[PlannedEdit]) -> list[PlannedEdit]:
        if not self.config.one_mask:
            return edits
        return [replace(edit, mask_prompt=edits[0].target_prompt) for edit in edits]

    def _targets(self, columns: Mapping[str, Any]) -> list[Target]:
        asked = targets(self.config.colours, columns)
        if self.config.product is None:
            return asked
        if cell(columns, self.config.product) in (None, ""):
            raise RowError("bad_value", f"column {self.config.product!r} names no product")
        return [replace(colour, hex=colour.hex or of_word(colour.name)) for colour in asked]

    def _product(self, columns: Mapping[str, Any]) -> Product:
        config = self.config
        colour = _column.colour(columns, config.source_colour)
        if isinstance(config.object, str) and config.object in columns:
            noun = _column.text(columns, config.object)
            return Product((noun,) if noun else (), True, colour)
        given = (config.object,) if isinstance(config.object, str) else config.object
        return Product(given, False, colour)


def _edits(title: Title, product: Product, asked: list[Target]) -> list[PlannedEdit]:
    place = _place(title, product)
    has = {same(colour) for colour in (place and place.colour, product.colour) if colour}
    wanted = [colour for colour in asked if same(colour.name) not in has]
    names = [colour.name for colour in wanted]
    source, prompts = _prompts(title, place, product, names)
    old = place.colour if place else product.colour
    noun = described(title, *place.spans[0]) if place else next(iter(product.nouns), None)
    return [
        PlannedEdit(
            name,
            source,
            prompt,
            colour=colour.hex,
            instruction=of_adjective(colour.name, noun),
            inverse_instruction=of_adjective(normal(old), noun) if old else None,
            edit_type="colour",
            source_word=normal(old) if old else None,
            target_word=colour.name,
        )
        for name, prompt, colour in zip(unique_names(names), prompts, wanted, strict=True)
    ]


def _place(title: Title, product: Product) -> Place | None:
    """The colour's place in the title; None where it names none and one is to be put there."""
    objects = frozenset(noun.lower().replace(" ", "-") for noun in product.nouns)
    if product.colour:
        return matching(title, product.colour, objects)
    noun = _noun(title, product)
    return attached(title, noun.span(), objects) if noun else own_colour(title)


def _noun(title: Title, product: Product) -> re.Match[str] | None:
    if not product.nouns:
        return None
    noun = nouns(product.nouns).search(title.text)
    if noun is None and not product.from_column:
        raise RowError("no_object", f"no word of prompts.object in {title.text[:200]!r}")
    return noun


def _prompts(
    title: Title, place: Place | None, product: Product, colours: list[str]
) -> tuple[str, list[str]]:
    """The source prompt and a target prompt a colour."""
    if place:
        return title.text, [replaced(title.text, place.spans, colour) for colour in colours]
    own = product.colour
    noun = _noun(title, product)
    if noun:
        texts = [before_noun(title, noun.span(), colour) for colour in colours]
        return (before_noun(title, noun.span(), own) if own else title.text), texts
    assert own, "without a noun and a colour the place is found or the row is dead"
    if product.nouns:
        return f"{own} {product.nouns[0]}", [f"{colour} {product.nouns[0]}" for colour in colours]
    return before_product(title, own), [before_product(title, colour) for colour in colours]
