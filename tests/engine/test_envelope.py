"""A chunk's table survives its envelope bit for bit."""

from __future__ import annotations

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from pipeline.engine.envelope import pack, unpack

EDITS = st.lists(st.tuples(st.none() | st.text(), st.integers(-9, 9)), min_size=1)
IMAGES = st.lists(st.tuples(st.none() | st.binary(), EDITS), max_size=5)


@given(IMAGES, st.booleans())
def test_round_trip(images, noted) -> None:
    rows = [(i, image, *rest) for i, (image, edits) in enumerate(images) for rest in edits]
    table = pa.table(
        {
            "ordinal": pa.array([r[0] for r in rows], pa.int64()),
            "image": pa.array([r[1] for r in rows], pa.binary()),
            "caption": pa.array([r[2] for r in rows], pa.string()),
            "edits": pa.array([[r[3]] * 2 for r in rows], pa.list_(pa.int64())),
        }
    ).replace_schema_metadata({"passed_over": "x"} if noted else None)
    block = pack(table)
    assert len(block) == 1
    for again in unpack(pa.concat_tables([block, block])):
        assert again == table and again.schema.metadata == table.schema.metadata


def test_an_image_travels_once_however_many_edits_it_has() -> None:
    image = b"x" * 100_000
    table = pa.table({"ordinal": [0] * 8 + [1], "image": pa.array([image] * 9)})
    assert pack(table).nbytes < 2.1 * len(image)


def test_a_block_of_chunks_that_were_kept_out_is_empty() -> None:
    assert not list(unpack(pa.table({})))
    assert not list(unpack(pack(pa.table({"ordinal": [0], "image": [b"x"]})).slice(0, 0)))
