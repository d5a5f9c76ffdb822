"""One chunk ↔ one Ray row, so that Ray Data can never split or merge a chunk.

Ray shapes blocks by bytes and rows; a chunk must stay whole from the read task to the writer,
because it is the unit of commit. A chunk's table travels as one binary value (Arrow IPC; reading
it back copies nothing), and `stream_one_row_blocks` makes each a block of its own.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Iterator
from itertools import accumulate, groupby

import pyarrow as pa
import ray.data

from pipeline.rows import INPUT_MASKS

IMAGES, ROWS = "images", "rows"
"""Columns of an envelope: each source once, and the table without them."""
ORDINAL = "ordinal"
SHARED = ("image", *INPUT_MASKS)
"""Columns that are the same in all rows of an image, and large."""


def stream_one_row_blocks() -> None:
    """Sets Ray Data to hand every envelope on as soon as it is made, alone in its block."""
    ray.data.DataContext.get_current().target_max_block_size = 1


def pack(table: pa.Table) -> pa.Table:
    """`table` as a table of one row and two large-binary columns.

    Rows of one image stand together and have one ordinal; its bytes travel once.
    """
    firsts, _ = _runs(table)
    there = [name for name in table.column_names if name in SHARED]
    shared, rows = table.select(there), table.drop_columns(there)
    images = [shared.slice(first, 1) for first in firsts]
    none = shared.slice(0, 0)
    places = {b"order": json.dumps(table.column_names).encode()}
    noted = rows.replace_schema_metadata({**(table.schema.metadata or {}), **places})
    return pa.table({IMAGES: cell(pa.concat_tables([none, *images])), ROWS: cell(noted)})


def unpack(block: pa.Table) -> Iterator[pa.Table]:
    """The tables in a block of envelopes, zero-copy; one that is empty may lack the columns."""
    if not len(block):
        return
    for images, rows in zip(block[IMAGES], block[ROWS], strict=True):
        yield _whole(opened(images), opened(rows))


def _whole(images: pa.Table, rows: pa.Table) -> pa.Table:
    _, lengths = _runs(rows)
    noted = dict(rows.schema.metadata)
    order = json.loads(noted.pop(b"order"))
    for field in images.schema:
        views = [
            images[field.name].slice(number, 1).chunk(0)
            for number, length in enumerate(lengths)
            for _ in range(length)
        ]
        rows = rows.append_column(field, pa.chunked_array(views, field.type))
    return rows.select(order).replace_schema_metadata(noted or None)


def _runs(table: pa.Table) -> tuple[list[int], list[int]]:
    """First row and number of rows of each image."""
    lengths = [len(list(rows)) for _, rows in groupby(table[ORDINAL].to_pylist())]
    return [0, *accumulate(lengths)][:-1], lengths


def opened(cell: pa.LargeBinaryScalar) -> pa.Table:
    """The table in a cell, zero-copy."""
    return pa.ipc.open_stream(cell.as_buffer()).read_all()


def cell(table: pa.Table) -> pa.Array:
    """One value that holds `table`, copied once."""
    size = pa.MockOutputStream()
    _write(table, size)
    data = pa.allocate_buffer(size.size())
    _write(table, pa.FixedSizeBufferWriter(data))
    offsets = pa.py_buffer(struct.pack("<qq", 0, data.size))
    return pa.Array.from_buffers(pa.large_binary(), 1, [None, offsets, data])


def _write(table: pa.Table, sink: pa.NativeFile) -> None:
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)


def per_chunk(stage: Callable[[pa.Table], pa.Table]) -> Callable[[pa.Table], Iterator[pa.Table]]:
    """`stage` as a Ray batch function over envelopes; what else is in an envelope stays in it."""

    def mapped(block: pa.Table) -> Iterator[pa.Table]:
        for number, table in enumerate(unpack(block)):
            made = pack(stage(table))
            for name in set(block.column_names) - {IMAGES, ROWS}:
                made = made.append_column(name, block[name].slice(number, 1))
            yield made

    return mapped
