"""What an edit does to the labels of its image. Knows no stage and no file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline.config import Label
from pipeline.prompts._words import normal

Row = Mapping[str, Any]


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
