"""Rows that a stage could not be left alone with: what they become. Knows no process."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from pipeline.config import RunConfig
from pipeline.errors import RowError
from pipeline.rows import ERROR, PLAN_SCHEMA, conform, result_schema
from pipeline.stages.explode import exploded
from pipeline.stages.plan import FILLED, failed


def lost(stage: str, config: RunConfig, table: pa.Table, error: RowError) -> pa.Table:
    """What `stage` gives for one image's rows where every edit of it ends with `error`."""
    if stage == "plan":
        return _filled(table, FILLED, {"edits": [], "planned": 1, **failed(stage, error)})
    if stage == "edit":
        rows = table.to_pylist()
        outcomes: dict[int, list[Any]] = {0: [error] * len(rows[0]["edits"])}
        return exploded(table, rows, outcomes, config.check.scores)
    schema = result_schema(config.check.scores)
    return conform(_filled(table, ERROR.names, failed(stage, error)), schema)


def _filled(table: pa.Table, names: Any, values: dict[str, Any]) -> pa.Table:
    kept = table.drop_columns([name for name in names if name in table.column_names])
    for name in names:
        kind = (ERROR if name in ERROR.names else PLAN_SCHEMA).field(name).type
        kept = kept.append_column(name, pa.array([values[name]] * len(table), kind))
    return conform(kept, PLAN_SCHEMA) if "edits" in names else kept
