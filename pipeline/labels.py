"""Labels of images, what an edit does to them, and splits. Knows no stage and no file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from pipeline.prompts._words import normal
from pipeline.section import Section

Row = Mapping[str, Any]


class Label(Section):
    """A column of the input that is a label of its image."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_by_name=True)

    from_: Literal["source_word", "source_prompt"] | None = Field(
        None,
        alias="from",
        description="The column holds this of an edit before it; where it holds another, the edit "
        "changes something else. Unset: it changes with every edit.",
    )
    to: Literal["target_word", "target_prompt"] | None = Field(
        None,
        description="And this after it; the old value stands in `source_NAME`. Unset: it holds.",
    )
    type: Literal["string", "int64", "float64", "bool", "json"] | None = Field(
        None,
        description="Of the column; json: none, it stays in `columns` alone; unset: as the first "
        "rows have it.",
    )

    @model_validator(mode="after")
    def _whole(self) -> Label:
        if self.from_ and not self.to:
            raise ValueError("give `to` beside `from`")
        if self.to and self.type not in (None, "string"):
            raise ValueError("`to` is text, so the type can only be string")
        return self

    @model_serializer(mode="wrap")
    def _by_alias(self, plain: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {("from" if name == "from_" else name): value for name, value in plain(self).items()}


SplitName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_]{1,32}$")]


def _sums_to_one(shares: dict[str, float]) -> dict[str, float]:
    if shares and abs(sum(shares.values()) - 1) > 1e-9:
        raise ValueError(f"the shares sum to {sum(shares.values()):g}; expected 1")
    if len({name.lower() for name in shares}) < len(shares):
        raise ValueError("names of splits must differ in more than case")
    return shares


Split = Annotated[
    dict[SplitName, Annotated[float, Field(gt=0, le=1)]], AfterValidator(_sums_to_one)
]


def after(label: Label, before: Any, edit: Row) -> Any:
    """The value of a column once `edit` is made of an image where it was `before`."""
    if label.to is None or not _holds(label, before, edit):
        return before
    return edit[label.to]


def differs(name: str, label: Label, before: Any, edit: Row) -> str | None:
    """What is amiss where `edit` changes what column `name` says, and the column says another."""
    if label.to is None or edit["edit_type"] != name or _holds(label, before, edit):
        return None
    said = edit[label.from_] if label.from_ else None
    return f"labels.{name}: the column says {before!r:.80}, the edit changes {said!r:.80}"


def _holds(label: Label, before: Any, edit: Row) -> bool:
    if label.from_ is None:
        return True
    said = edit[label.from_]
    return said is not None and isinstance(before, str) and normal(before) == normal(said)
