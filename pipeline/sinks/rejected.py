"""Edits that a bound rejected → a Parquet file, and back. Knows no bound and no storage.

The file has the columns of `edits`, pictures and scores too, and why the edit is not there: so one
can become the other, see `recheck.py`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import BinaryIO

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.keep import bound_of
from pipeline.rows import REJECTED
from pipeline.sinks.output import Output
from pipeline.sinks.parquet import file_of_edits, write

REASON = ("rejected_by", "reason")


def is_rejected(rows: pa.Table) -> pa.ChunkedArray:
    """Which rows of a result table were made and lie outside of a bound: they have a picture."""
    outside = pc.equal(pc.fill_null(rows["error_kind"], ""), REJECTED)
    return pc.and_(outside, pc.is_valid(rows["edited"]))


def write_rejected(rows: pa.Table, output: Output, sink: BinaryIO) -> None:
    """File of `rows`, which are as `parquet.write_edits` has them but for their error."""
    write(with_reasons(file_of_edits(rows, output), rows["error_message"].to_pylist()), sink)


def with_reasons(table: pa.Table, reasons: Sequence[str]) -> pa.Table:
    """`table`, as a file of edits has it, with the columns that say why."""
    for name, values in zip(REASON, ([bound_of(r) for r in reasons], reasons), strict=True):
        table = table.append_column(name, pa.array(values, pa.string()))
    return table


def by_bound(bounds: Sequence[str]) -> dict[str, int]:
    """How many edits each bound rejected."""
    return dict(sorted(Counter(bounds).items()))
