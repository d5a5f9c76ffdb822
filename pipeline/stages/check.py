"""Which edits to keep, by their scores, for a table of results. Knows no metric and no picture."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from pipeline.config import RunConfig
from pipeline.errors import RowError
from pipeline.keep import column, refused
from pipeline.rows import ERROR, REJECTED
from pipeline.stages.plan import failed

Row = dict[str, Any]


class Check:
    """Result table → the same; an edit outside of `check.keep` gets the error `REJECTED`."""

    def __init__(self, config: RunConfig) -> None:
        self._keep = config.check.keep

    def __call__(self, table: pa.Table) -> pa.Table:
        rows = [self._checked(row) for row in table.select(self._columns()).to_pylist()]
        for name in ERROR.names:
            values = pa.array([row[name] for row in rows], pa.string())
            table = table.set_column(table.column_names.index(name), name, values)
        return table

    def _columns(self) -> list[str]:
        return ["edit", *ERROR.names, *(column(name) for name in self._keep)]

    def _checked(self, row: Row) -> Row:
        if row["error_kind"] is not None or row["edit"] is None:
            return row
        reason = refused(row, self._keep)
        return row if reason is None else {**row, **failed("check", RowError(REJECTED, reason))}
