"""What a prompt rule gives: the planned edits of one caption. Knows no rule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any, NamedTuple, Protocol, runtime_checkable


@dataclass(frozen=True)
class PlannedEdit:
    """One planned change of one image; None leaves a setting to the config."""

    name: str  # unique among the image's edits, safe in a file name
    source_prompt: str
    target_prompt: str
    _: KW_ONLY
    mask_strength: float | None = None
    encoding_ratio: float | None = None
    guidance_scale: float | None = None
    mask_prompt: str | None = None  # whose contrast makes the mask; None: the target's
    colour: str | None = None  # `#rrggbb`: the exact colour that the edited thing gets
    instruction: str | None = None  # "make the mug red"; None: the rule knows no sentence for it
    inverse_instruction: str | None = None  # what asks for the source again
    edit_type: str | None = None  # what is changed: colour, material, object …
    source_word: str | None = None  # the words that are changed, nouns in the singular
    target_word: str | None = None


class Rule(Protocol):
    """Turns a caption and the row's other columns into edits."""

    def columns(self) -> list[str]:
        """Input columns that the rule reads besides the caption."""

    def plan(self, caption: str | None, columns: Mapping[str, Any]) -> list[PlannedEdit]:
        """The edits, possibly none. Raises RowError where the row cannot be planned."""


Pair = tuple[str, str]
"""A word of the caption, and what it becomes."""


class Slot(NamedTuple):
    """A word of a caption that takes `each` different targets of its `options`."""

    table: str
    word: str
    options: tuple[str, ...]
    each: int


@runtime_checkable
class Balanced(Protocol):
    """A rule whose targets are drawn for a whole shard (`_draw.py`)."""

    def slots(self, caption: str | None, key: str) -> list[Slot]:
        """What is to be drawn for a row; nothing where it cannot be planned."""

    def plan(
        self, caption: str | None, columns: Mapping[str, Any], drawn: Sequence[Pair] = ()
    ) -> list[PlannedEdit]:
        """As `Rule.plan`; the edits are those `drawn`, if any were."""
