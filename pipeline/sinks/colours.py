"""The colour that an edit was to have, as its row and the settings tell it. Knows no picture."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pipeline.prompts._words import slug
from pipeline.variants import target_of

_HEX = re.compile(r"#[0-9a-fA-F]{6}")
_DELTA_E = re.compile(r"score_.*(delta_?e|de2000)")


def name(row: Mapping[str, Any], settings: Mapping[str, Any]) -> str | None:
    """The colour's word; None where the edit is not one of the rule `recolor`."""
    return _target(row) if settings["prompts"]["type"] == "recolor" else None


def exact(row: Mapping[str, Any], settings: Mapping[str, Any]) -> str | None:
    """`#rrggbb`, where one was asked for."""
    code = row.get("colour")
    if isinstance(code, str) and _HEX.fullmatch(code):
        return code.lower()
    asked = settings["prompts"].get("colours")
    for colour in asked if isinstance(asked, list | tuple) else ():
        if isinstance(colour, dict) and slug(str(colour.get("name"))) == _target(row):
            code = colour.get("hex")
            return code.lower() if isinstance(code, str) and _HEX.fullmatch(code) else None
    return None


def delta_e(row: Mapping[str, Any]) -> float | None:
    """ΔE2000 to the colour asked for: the first score that is named so; None where none is."""
    named = (row[score] for score in sorted(row) if _DELTA_E.match(score))
    return next((value for value in named if value is not None), None)


def _target(row: Mapping[str, Any]) -> str:
    return target_of(row["edit"], row.get("rank"))
