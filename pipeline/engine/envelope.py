"""One chunk ↔ one Ray row, so that Ray Data can never split or merge a chunk.

Ray shapes blocks by bytes and rows; a chunk must stay whole from the read task to the writer,
because it is the unit of commit. A chunk's table travels as one binary value (Arrow IPC; reading
it back copies nothing), and `stream_one_row_blocks` makes each a block of its own.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator

import pyarrow as pa
import ray.data

COLUMN = "chunk"


def stream_one_row_blocks() -> None:
    """Sets Ray Data to hand every envelope on as soon as it is made, alone in its block."""
    ray.data.DataContext.get_current().target_max_block_size = 1


def pack(table: pa.Table) -> pa.Table:
    """`table` as a table of one row and one large-binary column."""
    stream = pa.BufferOutputStream()
    with pa.ipc.new_stream(stream, table.schema) as writer:
        writer.write_table(table)
    data = stream.getvalue()
    offsets = pa.py_buffer(struct.pack("<qq", 0, data.size))
    cell = pa.Array.from_buffers(pa.large_binary(), 1, [None, offsets, data])
    return pa.table({COLUMN: cell})


def unpack(block: pa.Table) -> Iterator[pa.Table]:
    """The tables in a block of envelopes, zero-copy."""
    for cell in block[COLUMN]:
        yield pa.ipc.open_stream(cell.as_buffer()).read_all()


def per_chunk(stage: Callable[[pa.Table], pa.Table]) -> Callable[[pa.Table], Iterator[pa.Table]]:
    """`stage` as a Ray batch function over envelopes."""

    def mapped(block: pa.Table) -> Iterator[pa.Table]:
        for table in unpack(block):
            yield pack(stage(table))

    return mapped
