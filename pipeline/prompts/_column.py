"""A product's noun and colour from a row's columns. Knows no title."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline.errors import RowError
from pipeline.prompts._chain import is_plain
from pipeline.prompts._choice import refuse_code
from pipeline.prompts._lexicon import grammar, words
from pipeline.prompts._title import Title, clean

_NONE = frozenset({"", "n/a", "na", "none", "null", "-", "–", "—", "nan", "unknown", "?"})


def text(columns: Mapping[str, Any], name: str) -> str | None:
    """The cell's text, cleaned; None where it is empty. Raises RowError: no_column, bad_value."""
    if name not in columns:
        there = ", ".join(sorted(columns)) or "none"
        raise RowError("no_column", f"the row has no column {name!r}; there are: {there}")
    value = columns[name]
    if value is None:
        return None
    if not isinstance(value, str) or len(value) > 200:
        raise RowError("bad_value", f"column {name!r} holds {value!r:.80}; expected a short text")
    found = clean(value)
    return None if found.lower() in _NONE else found


def colour(columns: Mapping[str, Any], name: str | None) -> str | None:
    """The row's own colour word; None where no column is named or its cell is empty.

    Raises RowError: `no_column`, `bad_value`, `colour_code`, `several_colours`, `other_language`.
    """
    found = text(columns, name) if name else None
    if found is None:
        return None
    refuse_code(found)
    title = Title(found)
    keys = {word.key for word in title.words}
    apart = [p for p in title.phrases if is_plain(p) or len(title.phrases) == 1]
    if keys & grammar("many colours") or len(apart) > 1:
        raise RowError("several_colours", f"column {name!r} holds {found!r}: which is to change?")
    if not title.phrases and keys & words("foreign").keys():
        raise RowError("other_language", f"column {name!r} holds {found!r}: no English colour")
    return found
