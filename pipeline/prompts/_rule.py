"""What a prompt rule gives: the planned edits of one caption. Knows no rule."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True)
class PlannedEdit:
    """One planned change of one image; None leaves a setting to the config."""

    name: str  # unique among the image's edits, safe in a file name
    source_prompt: str
    target_prompt: str
    mask_strength: float | None = None
    encoding_ratio: float | None = None
    guidance_scale: float | None = None
    colour: str | None = None  # `#rrggbb`: the exact colour that the edited thing gets


class Rule(Protocol):
    """Turns a caption and the row's other columns into edits."""

    def columns(self) -> list[str]:
        """Input columns that the rule reads besides the caption."""

    def plan(self, caption: str | None, columns: Mapping[str, Any]) -> list[PlannedEdit]:
        """The edits, possibly none. Raises RowError where the row cannot be planned."""
