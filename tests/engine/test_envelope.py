"""A chunk's table survives its envelope bit for bit, without a copy."""

from __future__ import annotations

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from pipeline.engine.envelope import pack, unpack

ROWS = st.lists(st.tuples(st.binary(), st.none() | st.text(), st.integers(-9, 9)), max_size=9)


@given(ROWS)
def test_round_trip(rows) -> None:
    table = pa.table(
        {
            "image": pa.array([r[0] for r in rows], pa.binary()),
            "caption": pa.array([r[1] for r in rows], pa.string()),
            "edits": pa.array([[r[2]] * 2 for r in rows], pa.list_(pa.int64())),
        }
    )
    assert len(block := pack(table)) == 1
    assert list(unpack(pa.concat_tables([block, block]))) == [table, table]
