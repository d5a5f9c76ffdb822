"""Bounds on scores: which edits stay. Knows no stage, no file and no score from inside."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from pipeline.checks import Bound

PREFIX = "check.keep."


def column(name: str) -> str:
    """Of a result table, what the bound `name` is on."""
    return name if name == "mask_area" else f"score_{name}"


def refused(row: Mapping[str, Any], keep: Mapping[str, Bound]) -> str | None:
    """Why an edit with the scores of `row` does not stay, by the first bound; None where it stays.

    The reason begins with the bound's key, see `bound_of`.
    """
    for name, bound in keep.items():
        value = row[column(name)]
        if value is None:
            return f"{PREFIX}{name}: it is not defined of this edit"
        if not _within(value, bound):
            side = "below" if _below(value, bound) else "above"
            limit = bound.min if side == "below" else bound.max
            return f"{PREFIX}{name}: {value:.4g} is {side} {limit:g}"
    return None


def bound_of(reason: str) -> str:
    """The name of the bound that a reason of `refused` tells of."""
    return reason.partition(": ")[0].removeprefix(PREFIX)


def told(keep: Mapping[str, Bound]) -> str:
    """The bounds in one line."""
    bounds = (
        f"{name} {' '.join(f'{side} {limit:g}' for side, limit in bound if limit is not None)}"
        for name, bound in keep.items()
    )
    return ", ".join(bounds) or "none"


def _within(value: float, bound: Bound) -> bool:
    # In float32, as the value is written: a reader's filter must agree.
    above = bound.max is not None and np.float32(value) > np.float32(bound.max)
    return not above and not _below(value, bound)


def _below(value: float, bound: Bound) -> bool:
    return bound.min is not None and bool(np.float32(value) < np.float32(bound.min))
