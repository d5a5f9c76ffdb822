"""The scores of an edit that need no network, while its pictures are at hand. Knows no metric."""

from __future__ import annotations

import math
from collections.abc import Sequence
from importlib import import_module
from typing import Any

from pipeline.errors import RowError
from pipeline.images.light import hex_of
from pipeline.metrics._pair import Pair
from pipeline.stages.guard import as_row_error
from pipeline.stages.plan import failed


def module(name: str) -> Any:
    """The metric's module."""
    return import_module(f"pipeline.metrics.{name}")


def network_of(name: str) -> str | None:
    """The role of the network that a metric needs, if any; "model" is the one that edits."""
    role: str | None = getattr(module(name), "NETWORK", None)
    return role


def scored(names: Sequence[str], pair: Pair) -> dict[str, Any]:
    """A column `score_<name>` for each of `names` that needs no network.

    A score that cannot be taken fails the row. A score that an edit has not, such as the distance
    to a colour that nobody asked for, is null.
    """
    try:
        modules = {name: module(name) for name in names if network_of(name) is None}
        values = {name: m.score(pair) for name, m in modules.items()}
        return {f"score_{n}": None if v is None else finite(n, v) for n, v in values.items()}
    except Exception as error:
        return failed("check", as_row_error(error))


def reached(pair: Pair) -> str | None:
    """`#rrggbb` of the edit's representative colour; None where the mask is empty."""
    found = pair.reached
    return None if found is None else hex_of(found)


def finite(name: str, value: float) -> float:
    """`value`. Raises RowError where it is no finite number."""
    if not math.isfinite(value):  # it would pass every bound, and JSON cannot hold it
        raise RowError("nan", f"the score {name} is {value}")
    return float(value)
