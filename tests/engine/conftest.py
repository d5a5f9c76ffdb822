"""A run in one call, and the rows that it wrote."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow.parquet as pq
import pytest

from pipeline.engine.run import run
from pipeline.engine.tally import Tally

Rows = dict[tuple[str, str, str], dict[str, Any]]


@pytest.fixture
def edit() -> Callable[..., Tally]:
    """`edit(config, local=True)`: the run's counts."""

    def edited(config: Any, local: bool = True) -> Tally:
        return run(config, local=local, verbose=False, watch=lambda tally: None)

    return edited


@pytest.fixture
def results() -> Callable[[Any], Rows]:
    """Every row in an output folder, edits and dead letters, by (shard, key, edit)."""

    def read(folder: Any) -> Rows:
        rows: Rows = {}
        for file in sorted([*folder.glob("edits/*.parquet"), *folder.glob("dead/*.parquet")]):
            for row in pq.read_table(file).to_pylist():
                name = (row["shard"], row["key"], row["edit"])
                assert name not in rows, f"{name} is there twice"
                rows[name] = {k: v for k, v in row.items() if k not in ("chunk", "last")}
        return rows

    return read
