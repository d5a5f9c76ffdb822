"""The colours asked for: words of the config, or of the row's own columns. Knows no title."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import BeforeValidator, Discriminator, Field, Tag

from pipeline.errors import RowError
from pipeline.prompts._words import normal
from pipeline.section import Section

Word = Annotated[str, Field(min_length=1, pattern=r"\w")]


class ColourColumns(Section):
    """Columns of the row that name its colours: text, or lists."""

    name: Word = Field(description="Column of the colour's name, or a list of names.")


def _read(value: Any) -> Any:
    """The config's colours, so that an error names one thing in one line."""
    if isinstance(value, dict):
        unknown = sorted(value.keys() - ColourColumns.model_fields.keys())
        if unknown or not isinstance(value.get("name"), str):
            raise ValueError("expected {name: COLUMN}" + (f", not {unknown[0]}" if unknown else ""))
        return ColourColumns(**value)
    if not isinstance(value, (list, tuple)) or not value:
        raise ValueError("give a list of colours, or the row's column: {name: …}")
    for at, item in enumerate(value):
        if not (isinstance(item, str) and re.search(r"\w", item)):
            raise ValueError(f"{at}: write a colour as a word")
    return tuple(value)


Some = Annotated[tuple[Word, ...], Field(min_length=1)]
Colours = Annotated[
    Annotated[Some, Tag("list")] | Annotated[ColourColumns, Tag("columns")],
    Discriminator(lambda value: "columns" if isinstance(value, ColourColumns) else "list"),
    BeforeValidator(_read, json_schema_input_type=Some | ColourColumns),
]


def targets(asked: Sequence[str] | ColourColumns, columns: Mapping[str, Any]) -> list[str]:
    """The colours of a row, each once. Raises RowError: `no_column`, `bad_value`."""
    names = _of_columns(asked, columns) if isinstance(asked, ColourColumns) else asked
    return list(dict.fromkeys(map(normal, names)))


def _of_columns(asked: ColourColumns, columns: Mapping[str, Any]) -> list[str]:
    if asked.name not in columns:
        there = ", ".join(sorted(columns)) or "none"
        raise RowError("no_column", f"the row has no column {asked.name!r}; there are: {there}")
    value = columns[asked.name]
    names = value if isinstance(value, list) else [value]
    if not names or not all(isinstance(name, str) and name.strip() for name in names):
        raise RowError("bad_value", f"column {asked.name!r} holds {names!r:.80}; expected names")
    return names
