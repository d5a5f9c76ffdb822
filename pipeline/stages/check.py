"""Scores of each edit, and which to keep, for a table of results. Knows no metric from inside."""

from __future__ import annotations

import math
from collections.abc import Callable
from importlib import import_module
from typing import Any

import pyarrow as pa

from pipeline.config import Bound, RunConfig
from pipeline.errors import RowError
from pipeline.images.decode import decode
from pipeline.metrics._pair import Pair
from pipeline.rows import conform, result_schema
from pipeline.stages.guard import as_row_error
from pipeline.stages.plan import failed

Score = Callable[[Pair], float]


class Check:
    """Result table → the same with scores; an edit outside of `check.keep` fails as `rejected`."""

    def __init__(self, config: RunConfig) -> None:
        self._keep: dict[str, Bound] = config.check.keep
        self._names = config.check.scores
        self._max_pixels = config.input.max_pixels

    def __call__(self, table: pa.Table) -> pa.Table:
        scores = {n: import_module(f"pipeline.metrics.{n}").score for n in self._names}
        rows = [self._checked(row, scores) for row in _narrow(table)]
        for name in [f"score_{n}" for n in self._names]:
            table = table.append_column(name, pa.array([r.get(name) for r in rows], pa.float32()))
        for name in ("error_stage", "error_kind", "error_message"):
            index = table.column_names.index(name)
            table = table.set_column(index, name, pa.array([r[name] for r in rows], pa.string()))
        return conform(table, result_schema(self._names))

    def _checked(self, row: dict[str, Any], scores: dict[str, Score]) -> dict[str, Any]:
        if row["error_kind"] is not None or row["edited"] is None:
            return row
        try:
            values = self._scores(row, scores)
            self._reject({"mask_area": row["mask_area"], **values})
        except Exception as error:
            return {**row, **failed("check", as_row_error(error))}
        return {**row, **{f"score_{name}": value for name, value in values.items()}}

    def _scores(self, row: dict[str, Any], scores: dict[str, Score]) -> dict[str, float]:
        if not scores:
            return {}
        source, edited, mask = (
            decode(row[column], self._max_pixels) for column in ("image", "edited", "mask")
        )
        pair = Pair.of(source, edited, mask.rgb[..., 0])
        values = {name: float(score(pair)) for name, score in scores.items()}
        for name, value in values.items():
            if not math.isfinite(value):  # it would pass every bound, and JSON cannot hold it
                raise RowError("nan", f"the score {name} is {value}")
        return values

    def _reject(self, values: dict[str, float]) -> None:
        for name, bound in self._keep.items():
            value = values[name]
            low = bound.min is not None and value < bound.min
            if low or (bound.max is not None and value > bound.max):
                side = f"below {bound.min:g}" if low else f"above {bound.max:g}"
                raise RowError("rejected", f"check.keep.{name}: {value:.4g} is {side}")


def _narrow(table: pa.Table) -> list[dict[str, Any]]:
    wanted = ["image", "edited", "mask", "mask_area", "error_stage", "error_kind", "error_message"]
    rows: list[dict[str, Any]] = table.select(wanted).to_pylist()
    return rows
