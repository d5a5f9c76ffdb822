"""How rows lie in a Parquet file."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.sinks import parquet
from pipeline.sinks.parquet import ROW_GROUP, ROW_GROUP_BYTES, row_groups
from pipeline.sinks.part import write_part
from tests.sinks.tables import edited, made, run_config, table

MIB = 1 << 20


@given(st.lists(st.integers(0, 100 * MIB), max_size=200))
def test_groups_hold_all_rows_in_order_and_no_more_than_they_may(sizes: list[int]) -> None:
    groups = list(row_groups(sizes))
    assert [row for first, rows in groups for row in range(first, first + rows)] == list(
        range(len(sizes))
    )
    for first, rows in groups:
        assert rows <= ROW_GROUP
        assert rows == 1 or sum(sizes[first : first + rows]) <= ROW_GROUP_BYTES


def test_a_row_that_is_too_large_has_a_group_of_its_own() -> None:
    assert list(row_groups([1, 68 * MIB, 68 * MIB, 1, 1])) == [(0, 1), (1, 1), (2, 1), (3, 2)]


def test_a_source_stands_once_a_group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = bytes(range(256)) * 8192  # 2 MiB: beyond the writer's own limit of a dictionary
    rows = [edited("a", 0, 0, f"{n}", planned=8, image=source) for n in range(8)]
    output = made(run_config(str(tmp_path / "out")))
    write_part(output, table(rows))
    (path,) = Path(output.root, "edits").iterdir()
    assert len(source) < path.stat().st_size < 1.05 * len(source)
    monkeypatch.setattr(parquet, "ROW_GROUP_BYTES", 5 * MIB)
    write_part(output, table([{**row, "chunk": 1} for row in rows]))
    path = next(Path(output.root, "edits").glob("*-00001-r0-*"))
    assert pq.read_metadata(path).num_row_groups == 4
    assert 4 * len(source) < path.stat().st_size < 4.2 * len(source)
    assert {s["bytes"] for s in pq.read_table(path)["source"].to_pylist()} == {source}
