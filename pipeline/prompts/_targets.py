"""The colours asked for: words, with an exact colour or without. Knows no title.

An exact colour is sRGB as `#rrggbb`; CIE Lab (D65, 2°) is turned into it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BeforeValidator, Discriminator, Field, Tag, ValidationError, model_validator

from pipeline.errors import RowError
from pipeline.prompts._words import normal
from pipeline.section import Section

Word = Annotated[str, Field(min_length=1, pattern=r"\w")]
Hex = Annotated[str, Field(pattern=r"^#[0-9a-fA-F]{6}$")]
Lab = tuple[
    Annotated[float, Field(ge=0, le=100)],
    Annotated[float, Field(ge=-128, le=128)],
    Annotated[float, Field(ge=-128, le=128)],
]


class Colour(Section):
    """A colour's name, which the prompt says, and the exact colour that the product gets."""

    name: Word
    hex: Hex | None = Field(None, description='sRGB, as "#1f2a44".')
    lab: Lab | None = Field(None, description="CIE Lab (D65): [L, a, b], instead of hex.")

    @model_validator(mode="after")
    def _one_exact_colour(self) -> Colour:
        if (self.hex is None) == (self.lab is None):
            raise ValueError("give either hex or lab, or write the name alone")
        self.exact()
        return self

    def exact(self) -> str:
        """`#rrggbb` in lower case. Raises ValueError where sRGB has no such colour."""
        return self.hex.lower() if self.hex else _hex_of_lab(self.lab or (0, 0, 0))


class ColourColumns(Section):
    """Columns of the row that name its colours: text, or lists of equal length."""

    name: Word = Field(description="Column of the colour's name, or a list of names.")
    hex: Word | None = Field(None, description='Column of its sRGB colour, as "#1f2a44", or list.')


def _read(value: Any) -> Any:
    """The config's colours as their classes, so that an error names one thing in one line."""
    if isinstance(value, dict):
        return _made(ColourColumns, value, "")
    if not isinstance(value, (list, tuple)) or not value:
        raise ValueError("give a list of colours, or the row's columns: {name: …, hex: …}")
    return tuple(_one(item, at) for at, item in enumerate(value))


def _one(item: Any, at: int) -> Any:
    if isinstance(item, dict):
        return _made(Colour, item, f"{at}: ")
    if not isinstance(item, Colour) and not (isinstance(item, str) and re.search(r"\w", item)):
        raise ValueError(f"{at}: write a colour as a word, {{name, hex}} or {{name, lab}}")
    return item


def _made(section: type[Section], value: dict[str, Any], where: str) -> Section:
    unknown = sorted(value.keys() - section.model_fields.keys())
    if unknown:
        allowed = ", ".join(section.model_fields)
        raise ValueError(f"{where}{unknown[0]}: unknown key; allowed: {allowed}")
    try:
        return section.model_validate(value)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        is_code = first["type"] == "string_pattern_mismatch" and key == "hex"
        said = 'write it as "#1f2a44"' if is_code else first["msg"].removeprefix("Value error, ")
        raise ValueError(f"{where}{key}: {said}" if key else f"{where}{said}") from None


Some = Annotated[tuple[Word | Colour, ...], Field(min_length=1)]
Colours = Annotated[
    Annotated[Some, Tag("list")] | Annotated[ColourColumns, Tag("columns")],
    Discriminator(lambda value: "columns" if isinstance(value, ColourColumns) else "list"),
    BeforeValidator(_read, json_schema_input_type=Some | ColourColumns),
]


@dataclass(frozen=True)
class Target:
    """A colour asked for: its name, and `#rrggbb` where it is exact."""

    name: str
    hex: str | None = None


def targets(
    asked: Sequence[str | Colour] | ColourColumns, columns: Mapping[str, Any]
) -> list[Target]:
    """The colours of a row, each name once. Raises RowError: `no_column`, `bad_value`."""
    if isinstance(asked, ColourColumns):
        found = _of_columns(asked, columns)
    else:
        found = [_of_config(colour) for colour in asked]
    once: dict[str, Target] = {}
    for target in found:
        once.setdefault(target.name, target)
    return list(once.values())


def _of_config(colour: str | Colour) -> Target:
    if isinstance(colour, str):
        return Target(normal(colour))
    return Target(normal(colour.name), colour.exact())


def _of_columns(asked: ColourColumns, columns: Mapping[str, Any]) -> list[Target]:
    names = _cells(columns, asked.name)
    if not names or not all(isinstance(name, str) and name.strip() for name in names):
        raise RowError("bad_value", f"column {asked.name!r} holds {names!r:.80}; expected names")
    exact = codes(columns, asked.hex, len(names))
    return [Target(normal(name), code) for name, code in zip(names, exact, strict=True)]


def codes(columns: Mapping[str, Any], column: str | None, count: int) -> list[str | None]:
    """`count` exact colours of a column, if any. Raises RowError: `no_column`, `bad_value`."""
    if column is None:
        return [None] * count
    cells = _cells(columns, column)
    if len(cells) != count:
        raise RowError("bad_value", f"column {column!r} has {len(cells)} colours, not {count}")
    return [_code(cell, column) for cell in cells]


def _code(value: Any, column: str) -> str | None:
    """A cell's exact colour; None where it is empty."""
    if value is None or value == "":
        return None
    code = f"#{value.strip().removeprefix('#').lower()}" if isinstance(value, str) else ""
    if len(code) != 7 or not all(digit in "0123456789abcdef" for digit in code[1:]):
        raise RowError("bad_value", f'column {column!r} holds {value!r:.80}; expected "#1f2a44"')
    return code


def cell(columns: Mapping[str, Any], name: str) -> Any:
    """The column's value. Raises RowError `no_column`."""
    if name not in columns:
        there = ", ".join(sorted(columns)) or "none"
        raise RowError("no_column", f"the row has no column {name!r}; there are: {there}")
    return columns[name]


def _cells(columns: Mapping[str, Any], name: str) -> list[Any]:
    value = cell(columns, name)
    return value if isinstance(value, list) else [value]


def of_word(name: str) -> str:
    """The colour that CSS (level 4) calls so. Raises RowError `no_exact_colour`."""
    import webcolors

    try:
        return str(webcolors.name_to_hex(re.sub(r"[\s-]", "", name)))
    except ValueError:
        raise RowError(
            "no_exact_colour",
            f"CSS has no colour {name!r}; give it a hex, or leave prompts.product out",
        ) from None


def _hex_of_lab(lab: tuple[float, float, float]) -> str:
    import numpy as np
    from skimage.color import lab2rgb, rgb2lab

    rgb = np.round(lab2rgb(np.array(lab, dtype=np.float64)) * 255).astype(np.uint8)
    if np.abs(rgb2lab(rgb) - lab).max() > 1.5:
        raise ValueError(f"sRGB has no colour {list(lab)}")
    return "#" + "".join(f"{channel:02x}" for channel in rgb)
