"""Captions → planned edits, for a table of source rows. Knows no rule and no picture."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import pyarrow as pa

from pipeline.config import RunConfig
from pipeline.errors import RowError
from pipeline.labels import Label, differs
from pipeline.prompts._rule import PlannedEdit, Rule
from pipeline.rows import INPUT_MASKS, PLAN_SCHEMA, conform, drawn
from pipeline.section import build
from pipeline.stages.guard import as_row_error
from pipeline.variants import places

Row = dict[str, Any]


PICTURES = ["image", *INPUT_MASKS]
FILLED = ("edits", "planned", "error_stage", "error_kind", "error_message")


class Plan:
    """READ_SCHEMA → PLAN_SCHEMA: one row an image, its edits listed; a failed row passes on."""

    def __init__(self, config: RunConfig) -> None:
        self._rule: Rule = build(config.prompts)
        self._labels, self._variants = config.labels, config.edit.variants

    def __call__(self, table: pa.Table) -> pa.Table:
        given = drawn(table)
        rows = [
            self._planned(row, given.get(row["ordinal"]))
            for row in table.drop_columns(PICTURES).to_pylist()
        ]
        kept = table.drop_columns([name for name in FILLED if name in table.column_names])
        for name in FILLED:
            values = [row[name] for row in rows]
            kept = kept.append_column(name, pa.array(values, PLAN_SCHEMA.field(name).type))
        return conform(kept, PLAN_SCHEMA)

    def _planned(self, row: Row, given: Sequence[Any] | None) -> Row:
        if row["error_kind"] is not None:
            return {**row, "edits": [], "planned": 1}
        try:
            edits = self._edits(row["caption"], json.loads(row["columns"] or "{}"), given)
        except Exception as error:
            return {**row, "edits": [], "planned": 1, **failed("plan", as_row_error(error))}
        return {**row, "edits": edits, "planned": len(edits)}

    def _edits(
        self, caption: str | None, columns: Row, given: Sequence[Any] | None
    ) -> list[dict[str, Any]]:
        rule: Any = self._rule
        planned = rule.plan(caption, columns, given) if given else rule.plan(caption, columns)
        _check_labels(self._labels, columns, planned)
        edits = places([asdict(edit) for edit in planned], self._variants)
        _check_unique([edit["name"] for edit in edits])
        return edits


def _check_unique(names: list[str]) -> None:
    if len(set(names)) < len(names):
        raise RowError("repeated_edit", f"two edits of one image share a name: {sorted(names)}")


def _check_labels(labels: Mapping[str, Label], columns: Row, edits: Sequence[PlannedEdit]) -> None:
    for name, label in labels.items():
        for edit in edits:
            if said := differs(name, label, columns.get(name), vars(edit)):
                raise RowError("label_differs", said)


def failed(stage: str, error: RowError) -> Row:
    """The error columns of a row that `error` ended in `stage`."""
    return {"error_stage": stage, "error_kind": error.kind, "error_message": error.message}
