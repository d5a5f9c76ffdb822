"""The scores of an edit, while its pictures are at hand. Knows no metric from inside."""

from __future__ import annotations

import math
from collections.abc import Sequence
from importlib import import_module
from typing import Any

from pipeline.errors import RowError
from pipeline.metrics._pair import Pair
from pipeline.stages.guard import as_row_error
from pipeline.stages.plan import failed


def scored(names: Sequence[str], pair: Pair) -> dict[str, Any]:
    """A column `score_<name>` for each of `names`; a score that cannot be taken fails the row."""
    try:
        modules = {name: import_module(f"pipeline.metrics.{name}") for name in names}
        return {f"score_{name}": _finite(name, m.score(pair)) for name, m in modules.items()}
    except Exception as error:
        return failed("check", as_row_error(error))


def _finite(name: str, value: float) -> float:
    if not math.isfinite(value):  # it would pass every bound, and JSON cannot hold it
        raise RowError("nan", f"the score {name} is {value}")
    return float(value)
