"""Edits that the data itself names: prompts (and settings) in columns. Reads no caption's words."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import Field

from pipeline.errors import RowError
from pipeline.prompts._rule import PlannedEdit, Rule
from pipeline.prompts._targets import codes
from pipeline.prompts._words import MAX_PROMPT, checked, unique_names
from pipeline.section import Section


class Config(Section):
    """Source and target prompts are columns of the data."""

    type: Literal["column"] = "column"
    source: str | None = Field(
        None, description="Column of the source prompt (may be empty text); unset: the caption."
    )
    target: str = Field(
        description="Column of the target prompt; a list column gives an edit for each item."
    )
    mask_strength: str | None = Field(
        None, description="Column of the row's own mask.strength; null: the config's."
    )
    encoding_ratio: str | None = Field(
        None, description="Column of the row's own invert.encoding_ratio; null: the config's."
    )
    guidance_scale: str | None = Field(
        None, description="Column of the row's own edit.guidance_scale; null: the config's."
    )
    colour: str | None = Field(
        None,
        description='Column of the exact colour of the result, as "#1f2a44", or a list of as many '
        "as targets; null: as the prompt makes it. Needs edit.paste_back: recolor.",
    )

    @property
    def exact(self) -> bool:
        """Whether a colour may be asked for exactly."""
        return self.colour is not None


def build(config: Config) -> Rule:
    """The rule of `config`."""
    return ColumnRule(config)


@dataclass(frozen=True)
class ColumnRule:
    """One edit for each target in a row's target column, named after its prompt."""

    config: Config

    def columns(self) -> list[str]:
        """The columns that the config names."""
        names = self.config.model_dump(exclude={"type"}).values()
        return [name for name in names if name is not None]

    def plan(self, caption: str | None, columns: Mapping[str, Any]) -> list[PlannedEdit]:
        """One edit a target.

        Raises RowError: `no_column`, `no_caption`, `no_target`, `bad_value`, `caption_too_long`.
        """
        config = self.config
        source = checked(caption) if config.source is None else _source(columns, config.source)
        targets = _targets(columns, config.target)
        strength = _share(columns, config.mask_strength)
        ratio = _share(columns, config.encoding_ratio)
        guidance = _number(columns, config.guidance_scale)
        colours = codes(columns, config.colour, len(targets))
        return [
            PlannedEdit(
                name,
                source,
                target,
                mask_strength=strength,
                encoding_ratio=ratio,
                guidance_scale=guidance,
                colour=colour,
            )
            for name, target, colour in zip(unique_names(targets), targets, colours, strict=True)
        ]


def _cell(columns: Mapping[str, Any], name: str) -> Any:
    if name not in columns:
        there = ", ".join(sorted(columns)) or "none"
        raise RowError("no_column", f"the row has no column {name!r}; there are: {there}")
    return columns[name]


def _source(columns: Mapping[str, Any], name: str) -> str:
    value = _cell(columns, name)
    return "" if value is None else _text(value, name)


def _targets(columns: Mapping[str, Any], name: str) -> list[str]:
    value = _cell(columns, name)
    targets = [_text(item, name) for item in (value if isinstance(value, list) else [value])]
    if not targets or not all(target.strip() for target in targets):
        raise RowError("no_target", f"column {name!r} has an empty target prompt")
    return targets


def _text(value: Any, name: str) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise RowError("bad_value", f"column {name!r} holds {value!r:.80}; expected text")
    if len(value) > MAX_PROMPT:
        raise RowError(
            "caption_too_long",
            f"column {name!r} has {len(value)} characters; {MAX_PROMPT} are allowed",
        )
    return value


def _share(columns: Mapping[str, Any], name: str | None) -> float | None:
    number = _number(columns, name)
    if number is not None and not 0 < number <= 1:
        raise RowError("bad_value", f"column {name!r} holds {number}; expected above 0, at most 1")
    return number


def _number(columns: Mapping[str, Any], name: str | None) -> float | None:
    """The row's own setting, at least 0; None where no column is named or its cell is null."""
    if name is None or (value := _cell(columns, name)) is None:
        return None
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if isinstance(value, bool) or not (math.isfinite(number) and number >= 0):
        raise RowError("bad_value", f"column {name!r} holds {value!r:.80}; expected a number >= 0")
    return number
