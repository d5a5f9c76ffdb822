"""Which column is what, by its name and its values. Guesses; knows no file."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pipeline.prompts._lists import LISTS

Row = Mapping[str, Any]

CAPTIONS = (
    "caption", "title", "product_title", "product_name", "item_name", "name", "titel", "titre",
    "bezeichnung", "text", "prompt", "description", "short_description", "alt", "alt_text",
)  # fmt: skip
COLOURS = (
    "colour", "color", "colour_name", "color_name", "product_colour", "product_color", "farbe",
    "couleur", "colore", "kleur", "color_family", "shade",
)  # fmt: skip
SKUS = (
    "sku", "item_sku", "variant_sku", "product_sku", "seller_sku", "article", "article_number",
    "artikelnummer", "item_number", "mpn", "gtin", "ean", "product_id", "item_id", "style",
)  # fmt: skip
OBJECTS = ("object", "noun", "product_type", "item_type", "product", "type", "category")
FILES = (
    "file_name", "filename", "file", "image", "image_file", "image_name", "image_path", "picture",
    "photo", "path", "img", "main_image",
)  # fmt: skip
"""Names of columns as shops and datasets have them, the likeliest first."""


def caption(rows: Sequence[Row]) -> str | None:
    """The column of texts that describe; None where none looks like one."""

    def describes(name: str) -> bool:
        words = [len(text.split()) for text in texts(rows, name) if "://" not in text]
        return 2 * len(words) > len(rows) and sum(words) >= 1.5 * len(words)

    named = _named(rows, CAPTIONS, describes)
    return named or next((name for name in _names(rows) if describes(name)), None)


def colour(rows: Sequence[Row]) -> str | None:
    """The column of the product's colour, in words."""
    known = set(LISTS["colours"])

    def few_words(name: str) -> bool:
        values = texts(rows, name)
        short = [v for v in values if len(v.split()) <= 3 and not re.search(r"[#\d]|://", v)]
        return bool(values) and len(short) >= 0.9 * len(values)

    def colours(name: str) -> bool:
        values = texts(rows, name)
        hits = [v for v in values if known.intersection(re.findall(r"\w+", v.casefold()))]
        return few_words(name) and len(hits) >= 0.6 * len(values)

    named = _named(rows, COLOURS, few_words)
    return named or next((name for name in _names(rows) if colours(name)), None)


def sku(rows: Sequence[Row]) -> str | None:
    """The column of the shop's own name of a product, by its name alone."""
    return _named(rows, SKUS, lambda name: bool(texts(rows, name)))


def noun(rows: Sequence[Row], captions: Sequence[str]) -> str | None:
    """The column of the product's noun: its values stand in the captions."""

    def stands(name: str) -> bool:
        pairs = [
            (str(row[name]).casefold(), text.casefold())
            for row, text in zip(rows, captions, strict=True)
            if row.get(name) and text
        ]
        return bool(pairs) and sum(value in text for value, text in pairs) >= 0.8 * len(pairs)

    return _named(rows, OBJECTS, stands)


def texts(rows: Sequence[Row], name: str) -> list[str]:
    """The column's values as text, without the empty ones."""
    values = (row.get(name) for row in rows)
    return [str(v).strip() for v in values if isinstance(v, str | int) and str(v).strip()]


def rank(name: str, known: Sequence[str]) -> int:
    """How likely a column of this name is one of the `known`; 0 is the likeliest."""
    plain = re.sub(r"[^a-z0-9]+", "_", name.casefold()).strip("_")
    return known.index(plain) if plain in known else len(known)


def _named(rows: Sequence[Row], known: Sequence[str], fits: Callable[[str], bool]) -> str | None:
    names = [name for name in _names(rows) if rank(name, known) < len(known)]
    return next((n for n in sorted(names, key=lambda n: rank(n, known)) if fits(n)), None)


def _names(rows: Sequence[Row]) -> list[str]:
    return list(dict.fromkeys(name for row in rows for name in row))
