"""Which edits to keep, by their scores, for a table of results. Knows no metric and no picture."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from pipeline.config import Bound, RunConfig
from pipeline.errors import RowError
from pipeline.rows import ERROR
from pipeline.stages.plan import failed

Row = dict[str, Any]


class Check:
    """Result table → the same; an edit outside of `check.keep` fails as `rejected`."""

    def __init__(self, config: RunConfig) -> None:
        self._keep: dict[str, Bound] = config.check.keep

    def __call__(self, table: pa.Table) -> pa.Table:
        rows = [self._checked(row) for row in table.select(self._columns()).to_pylist()]
        for name in ERROR.names:
            values = pa.array([row[name] for row in rows], pa.string())
            table = table.set_column(table.column_names.index(name), name, values)
        return table

    def _columns(self) -> list[str]:
        return ["edit", *ERROR.names, *(_column(name) for name in self._keep)]

    def _checked(self, row: Row) -> Row:
        for name, bound in self._keep.items():
            value = row[_column(name)]
            if row["error_kind"] is not None or (value is None and row["edit"] is None):
                continue
            if value is None:
                message = f"check.keep.{name}: it is not defined of this edit"
                return {**row, **failed("check", RowError("rejected", message))}
            if not _within(value, bound):
                side = "below" if _below(value, bound) else "above"
                limit = bound.min if side == "below" else bound.max
                message = f"check.keep.{name}: {value:.4g} is {side} {limit:g}"
                return {**row, **failed("check", RowError("rejected", message))}
        return row


def _column(name: str) -> str:
    return name if name == "mask_area" else f"score_{name}"


def _within(value: float, bound: Bound) -> bool:
    # In float32, as the value is written: a reader's filter must agree.
    above = bound.max is not None and np.float32(value) > np.float32(bound.max)
    return not above and not _below(value, bound)


def _below(value: float, bound: Bound) -> bool:
    return bound.min is not None and bool(np.float32(value) < np.float32(bound.min))
