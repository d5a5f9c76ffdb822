"""Rows → a Parquet file. Knows no storage and no commit.

Files carry the feature metadata of Hugging Face datasets, so that `load_dataset` gives the pictures
as images. Text is compressed and coded with dictionaries, pictures are as they are; the bytes of a
source are coded with a dictionary too, so that they stand once a row group whatever the number of
its edits, and still are a normal column to every reader.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from io import BytesIO
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline.rows import ERROR, INPUT_MASKS, but, result_schema
from pipeline.sinks.groups import COLUMNS
from pipeline.sinks.inputs import placed
from pipeline.sinks.output import Output
from pipeline.sinks.pictures import HEAD, extension

ROW_GROUP = 32
"""Rows a group at most: a reader that wants one row holds the pictures of this many."""
ROW_GROUP_BYTES = 64 << 20
"""Bytes of pictures a group at most, but for a row that has more by itself."""

IMAGE = pa.struct([pa.field("bytes", pa.binary()), pa.field("path", pa.string())])
"""How Hugging Face datasets stores an image."""
PICTURES = {"source": "image", "edited": "edited", "mask": "mask"}
"""Column of a file → column of a result table."""

# What a living row says of its chunk stands in the commit record.
_OWN = ("chunk", "last", "planned", *INPUT_MASKS, *ERROR.names)
# Readers skip row groups by these; of other text the least and the greatest value tell nothing.
_SOUGHT = {"id", "shard", "key", "edit", "rejected_by", "error_stage", "error_kind"}
_ID = pa.field("id", pa.string())


def write_edits(edits: pa.Table, output: Output, sink: BinaryIO) -> None:
    """File of living rows; `edits` is of the result schema with an `id` column before it."""
    write(file_of_edits(edits, output), sink)


def file_of_edits(edits: pa.Table, output: Output) -> pa.Table:
    """The table that `write_edits` writes."""
    names = [name for name in PICTURES if output.source or name != "source"]
    return with_pictures(placed(edits, output), names, output, _OWN)


def with_pictures(
    rows: pa.Table, names: Iterable[str], output: Output, dropped: Iterable[str], **feature: Any
) -> pa.Table:
    """The columns of a file: `rows` less `dropped`, provenance, and the pictures of `names`.

    `feature`: of datasets' Image.
    """
    table = with_provenance(rows.drop_columns([*PICTURES.values(), *dropped]), output.provenance)
    for name in names:
        table = table.append_column(name, _images(name, rows[PICTURES[name]]))
    features = {name: {**feature, "_type": "Image"} for name in names}
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    return table.replace_schema_metadata(metadata)


def no_rows(output: Output) -> pa.Table:
    """A table of the result schema with an `id`, as long as nothing: what files are made of."""
    scores = output.settings["check"]["scores"]
    return pa.schema([_ID, *result_schema(scores), *COLUMNS]).empty_table()


def with_provenance(table: pa.Table, provenance: Mapping[str, str | int]) -> pa.Table:
    """`table` with a constant column for each entry."""
    for name, value in provenance.items():
        table = table.append_column(name, pa.repeat(pa.scalar(value), len(table)))
    return table


def to_bytes(table: pa.Table) -> bytes:
    """The Parquet file of `table`."""
    sink = BytesIO()
    write(table, sink)
    return sink.getvalue()


def write(table: pa.Table, sink: BinaryIO) -> None:
    """Writes the Parquet file of `table`, a row group at a time."""
    with pq.ParquetWriter(sink, table.schema, **_way(table.schema)) as writer:
        for first, length in row_groups(_sizes(table)):
            writer.write_table(table.slice(first, length), row_group_size=length)
        writer.add_key_value_metadata(table.schema.metadata)


def write_rows(rows: Iterable[pa.Table], schema: pa.Schema, sink: BinaryIO) -> None:
    """`write` of tables of one row each, of `schema`, that come one by one: of them a group is
    held."""
    with pq.ParquetWriter(sink, schema, **_way(schema)) as writer:
        for group in _groups(rows):
            writer.write_table(pa.concat_tables(group), row_group_size=len(group))
        writer.add_key_value_metadata(schema.metadata)


def _groups(rows: Iterable[pa.Table]) -> Iterator[list[pa.Table]]:
    held: list[pa.Table] = []
    size = 0
    for row in rows:
        (more,) = _sizes(row)
        if held and (len(held) == ROW_GROUP or size + more > ROW_GROUP_BYTES):
            yield held
            held, size = [], 0
        held.append(row)
        size += more
    if held:
        yield held


def without(data: bytes, ids: Collection[str]) -> tuple[bytes, int]:
    """The file less the rows of `ids`, and how many rows are left."""
    file = pq.ParquetFile(pa.BufferReader(data))
    kept = [file.schema_arrow.empty_table()]
    for number in range(file.num_row_groups):
        group = file.read_row_group(number, use_threads=False)
        kept.append(but(group, ids))
    table = pa.concat_tables(kept)
    return to_bytes(table), len(table)


def read(data: bytes, columns: Sequence[str] | None = None) -> pa.Table:
    """The rows of a file that is in hand.

    By group, for pictures of more than 2 GiB are no one array. In this thread: `read_table` leaves
    Python's bytes to Arrow's, and one that lets go of them while the interpreter ends aborts the
    process (seen: 2 to 5 of 100 `verify` on a busy machine).
    """
    with pq.ParquetFile(pa.BufferReader(data)) as file:
        names = list(columns or file.schema_arrow.names)
        groups = range(file.num_row_groups)
        tables = (file.read_row_group(group, names, use_threads=False) for group in groups)
        return pa.concat_tables([file.schema_arrow.empty_table().select(names), *tables])


def row_groups(sizes: Sequence[int]) -> Iterator[tuple[int, int]]:
    """(first row, rows) of each group of rows whose pictures have `sizes`, in bytes."""
    first, held = 0, 0
    for row, size in enumerate(sizes):
        if row > first and (row - first == ROW_GROUP or held + size > ROW_GROUP_BYTES):
            yield first, row - first
            first, held = row, 0
        held += size
    if first < len(sizes):
        yield first, len(sizes) - first


def _sizes(table: pa.Table) -> list[int]:
    sizes = [0] * len(table)
    for field in table.schema:
        if field.type == IMAGE:
            lengths = pc.binary_length(pc.struct_field(table[field.name], "bytes")).to_pylist()
            sizes = [size + (length or 0) for size, length in zip(sizes, lengths, strict=True)]
    return sizes


def _way(schema: pa.Schema) -> dict[str, Any]:
    """Arguments of the writer."""
    pictures = [field.name for field in schema if field.type == IMAGE]
    values = [field.name for field in schema if field.type != IMAGE]
    texts = values + [f"{name}.path" for name in pictures]
    numbers = [n for n in values if n in _SOUGHT or n == "mask_area" or n.startswith("score_")]
    return {
        "compression": dict.fromkeys(texts, "zstd"),
        "use_dictionary": [*texts, "source.bytes"],
        # Beyond its limit a dictionary is given up, and the bytes stand once a row again.
        "dictionary_pagesize_limit": 1 << 30,
        "write_statistics": numbers,
        "write_page_index": True,
        "store_schema": False,  # Parquet's own types say it all, but for the metadata
    }


def _images(name: str, column: pa.ChunkedArray) -> pa.ChunkedArray:
    structs = []
    for blobs in column.chunks:
        paths = [_path(name, head) for head in pc.binary_slice(blobs, 0, HEAD).to_pylist()]
        columns = [blobs, pa.array(paths, pa.string())]
        structs.append(pa.StructArray.from_arrays(columns, fields=list(IMAGE)))
    return pa.chunked_array(structs, type=IMAGE)


def _path(name: str, head: bytes | None) -> str | None:
    return None if head is None else f"{name}.{extension(head)}"
