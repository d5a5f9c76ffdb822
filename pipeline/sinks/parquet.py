"""Rows → the bytes of a Parquet file. Knows no storage and no commit.

Files of `edits/` carry the feature metadata of Hugging Face datasets, so that
`load_dataset("parquet", data_files=…)` gives `source`, `edited` and `mask` as images.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from io import BytesIO
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.sinks.pictures import extension

ROW_GROUP = 32
"""Rows a group: a reader that wants one row holds the pictures of this many."""

IMAGE = pa.struct([pa.field("bytes", pa.binary()), pa.field("path", pa.string())])
"""How Hugging Face datasets stores an image."""


def encode_edits(edits: pa.Table, provenance: Mapping[str, str]) -> bytes:
    """File of living rows; `edits` is of the result schema with an `id` column before it."""
    dropped = ["chunk", "last", "planned", "image", "edited", "mask"]
    dropped += ["error_stage", "error_kind", "error_message"]
    table = with_provenance(edits.drop_columns(dropped), provenance)
    ids = edits["id"].to_pylist()
    for name, column in (("source", "image"), ("edited", "edited"), ("mask", "mask")):
        table = table.append_column(name, _images(ids, name, edits[column]))
    features = {field.name: _feature(field.type) for field in table.schema}
    metadata = {"huggingface": json.dumps({"info": {"features": features}})}
    return to_bytes(table.replace_schema_metadata(metadata))


def with_provenance(table: pa.Table, provenance: Mapping[str, str]) -> pa.Table:
    """`table` with a constant text column for each entry."""
    for name, value in provenance.items():
        table = table.append_column(name, pa.repeat(pa.scalar(value, pa.string()), len(table)))
    return table


def to_bytes(table: pa.Table) -> bytes:
    """The Parquet file of `table`: text compressed, pictures as they are."""
    texts = [f.name for f in table.schema if not _is_blob(f.type)]
    sink = BytesIO()
    pq.write_table(
        table,
        sink,
        row_group_size=ROW_GROUP,
        compression=dict.fromkeys(texts, "zstd"),
        use_dictionary=texts,
        write_statistics=texts,
    )
    return sink.getvalue()


def _images(ids: list[str], name: str, column: pa.ChunkedArray) -> pa.ChunkedArray:
    named = iter(ids)
    structs = []
    for blobs in column.chunks:
        heads = [blob.as_buffer()[:12].to_pybytes() for blob in blobs]
        paths = [f"{next(named)}.{name}.{extension(head)}" for head in heads]
        columns = [blobs, pa.array(paths, pa.string())]
        structs.append(pa.StructArray.from_arrays(columns, fields=list(IMAGE)))
    return pa.chunked_array(structs, type=IMAGE)


def _is_blob(kind: pa.DataType) -> bool:
    return bool(kind == IMAGE or pa.types.is_binary(kind))


def _feature(kind: pa.DataType) -> dict[str, Any]:
    if kind == IMAGE:
        return {"_type": "Image"}
    return {"_type": "Value", "dtype": {"float": "float32"}.get(str(kind), str(kind))}
