"""Rows of images → rows of planned edits. Knows no picture."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from pipeline.errors import RowError
from pipeline.images.alike import first_alike
from pipeline.rows import ERROR, conform, result_schema
from pipeline.stages.plan import failed

Row = dict[str, Any]
Outcome = Row | RowError
"""The result columns of one planned edit, or why there are none."""


def exploded(
    table: pa.Table,
    rows: Sequence[Row],
    outcomes: dict[int, list[Outcome]],
    scores: Sequence[str] = (),
) -> pa.Table:
    """One row a planned edit; an image that failed or passed before keeps its one row."""
    taken: list[int] = []
    filled: list[Row] = []
    for index, row in enumerate(rows):
        results = [
            {**_named(edit), **_columns(outcome)}
            for edit, outcome in zip(row["edits"], outcomes.get(index, ()), strict=True)
        ]
        filled += results or [{name: row[name] for name in ERROR.names}]
        taken += [index] * max(1, len(results))
    kept = table.drop_columns(["edits", *ERROR.names])
    # Slices share the source's bytes, however many edits an image has; `take` would repeat them
    # in one array, and an array of binary values ends at 2 GiB.
    exploded = pa.concat_tables([kept.slice(index, 1) for index in taken])
    schema = result_schema(scores)
    for field in schema:
        if field.name not in exploded.column_names:
            values = [row.get(field.name) for row in filled]
            made = _views(values) if field.type == pa.binary() else pa.array(values, field.type)
            exploded = exploded.append_column(field, made)
    return conform(exploded, schema)


def with_alike(outcomes: Sequence[Outcome], names: Sequence[str]) -> list[Outcome]:
    """Those of one image, each with the name of an earlier one that it nearly equals, if any."""
    rows = [{} if isinstance(outcome, RowError) else outcome for outcome in outcomes]
    alike = first_alike([row.pop("thumbnail", None) for row in rows])
    for row, other in zip(rows, alike, strict=True):
        row["near_duplicate"] = None if other is None else names[other]
    return list(outcomes)


def _views(values: Sequence[bytes | None]) -> pa.ChunkedArray:
    """The values, not copied."""
    arrays = [
        pa.nulls(1, pa.binary())
        if value is None
        else pa.Array.from_buffers(pa.binary(), 1, [None, _ends(value), pa.py_buffer(value)])
        for value in values
    ]
    return pa.chunked_array(arrays, pa.binary())


def _ends(value: bytes) -> pa.Buffer:
    return pa.py_buffer(struct.pack("=ii", 0, len(value)))


def _named(edit: Row) -> Row:
    return {("edit" if name == "name" else name): value for name, value in edit.items()}


def _columns(outcome: Outcome) -> Row:
    return failed("edit", outcome) if isinstance(outcome, RowError) else outcome
