"""Living rows → a WebDataset tar shard, and back. Knows no storage and no commit.

The members of a sample have the same names whatever the formats of the pictures in them, for
readers take the columns of all samples from the first few; the true formats stand in the JSON, and
decoders go by content. `{id}.jpg` (or `.png`, `.webp` by the run's `image_format`) and `{id}.txt`
are the edited picture and its target prompt: what trainers on picture and text look for.

The bytes depend on the rows alone (no time, no owner).
"""

from __future__ import annotations

import json
import math
import tarfile
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from io import BytesIO
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.rows import ERROR, INPUT_MASKS, TRIES
from pipeline.sinks.inputs import changed, meanings
from pipeline.sinks.output import Output
from pipeline.sinks.parquet import PICTURES
from pipeline.sinks.pictures import told

Row = dict[str, Any]
SOURCE, MASK, JSON, TEXT = "source.jpg", "mask.png", "json", "txt"

COPY = 1 << 20
"""Bytes of a picture on their way to the file at a time."""

_PICTURES = ("image", "edited", "mask")
# The key is the id; the target prompt is the text; the rest is the writer's own.
_DROPPED = ("shard_version", "chunk", "last", "ordinal", "planned", *INPUT_MASKS, *ERROR.names)
# Of the provenance, what these stand for (settings/) and what the id says is not said again.
_SAID = ("fingerprint", "code_version")
_NOT_SAID = ("shard_version", "ordinal", "input", "run", "run_seed", "settings")

Samples = dict[str, list[tuple[tarfile.TarFile, tarfile.TarInfo]]]
"""Id → the members of its sample."""


def write(edits: pa.Table, output: Output, sink: BinaryIO) -> None:
    """The shard of `edits`, which is of the result schema with an `id` column before it."""
    same = {name: output.provenance[name] for name in _SAID}
    pictures = edits.select(_PICTURES)
    values = edits.drop_columns([*_DROPPED, *_PICTURES])
    with _opened(sink) as tar:
        for number, batch in enumerate(values.to_batches(max_chunksize=1)):
            row = _typed(batch)
            views = {name: pictures[name][number].as_buffer() for name in _PICTURES}
            _add(tar, row["id"], _members(row, views, same, output))


def write_rows(
    rows: Iterable[tuple[str, Callable[[], pa.Table]]], old: Samples, output: Output, sink: BinaryIO
) -> None:
    """The shard of edits (id, and what reads its row as a Parquet file has it), one by one.

    Samples that `old` shards have are copied as they are.
    """
    with _opened(sink) as tar:
        for name, read in rows:
            if name in old:
                for file, member in old[name]:
                    tar.addfile(member, file.extractfile(member))
                continue
            table = read()
            left = {*PICTURES, *_NOT_SAID, *meanings(output.columns)}
            kept = [n for n in table.column_names if n not in left]
            row = _typed(table.select(kept).to_batches()[0])
            same = {said: row.pop(said) for said in _SAID}
            views = {of: _view(table, name) for name, of in PICTURES.items()}
            _add(tar, name, _members(row, views, same, output))


def _view(table: pa.Table, name: str) -> pa.Buffer:
    """A picture's bytes; none where the output has it not."""
    if name not in table.column_names:
        return pa.py_buffer(b"")
    return pc.struct_field(table[name], "bytes")[0].as_buffer()


def index(files: Iterable[tarfile.TarFile]) -> Samples:
    """Where the members of each sample are."""
    found: Samples = {}
    for file in files:
        for member in file:
            found.setdefault(member.name.partition(".")[0], []).append((file, member))
    return found


def _opened(sink: BinaryIO) -> tarfile.TarFile:
    # Names and sizes fit the plain header, the one that every reader of tars knows.
    tar = tarfile.TarFile(fileobj=sink, mode="w", format=tarfile.USTAR_FORMAT)
    tar.copybufsize = COPY  # type: ignore[attr-defined]
    return tar


def _add(tar: tarfile.TarFile, name: str, members: Iterable[tuple[str, pa.Buffer]]) -> None:
    for ending, data in members:
        member = tarfile.TarInfo(f"{name}.{ending}")
        member.size = data.size
        tar.addfile(member, pa.BufferReader(data))


def samples(data: bytes | BinaryIO) -> Iterator[tuple[str, dict[str, bytes]]]:
    """(id, member's ending → content) of each sample of a shard, in order."""
    key, members = None, {}
    opened = BytesIO(data) if isinstance(data, bytes) else data
    with tarfile.open(fileobj=opened) as tar:
        for member in tar:
            file = tar.extractfile(member)
            name, _, ending = member.name.partition(".")
            if key is not None and name != key:
                yield key, members
                members = {}
            key, members[ending] = name, file.read() if file else b""
    if key is not None:
        yield key, members


def rows(data: bytes | BinaryIO) -> Iterator[Row]:
    """Its edits as the Parquet files have them, but for the columns that samples lack."""
    for name, members in samples(data):
        said = json.loads(members.pop(JSON))
        (edited,) = members.keys() - {SOURCE, MASK, TEXT}
        yield {
            **said,
            "id": name,
            "target_prompt": members[TEXT].decode(),
            "source": {"bytes": members.get(SOURCE)},
            "mask": {"bytes": members[MASK]},
            "edited": {"bytes": members[edited]},
        }


def without(data: bytes, ids: Collection[str]) -> tuple[bytes, int]:
    """The shard less the samples of `ids`, and how many are left."""
    sink, left = BytesIO(), set()
    with (
        tarfile.open(fileobj=BytesIO(data)) as old,
        tarfile.open(fileobj=sink, mode="w", format=tarfile.USTAR_FORMAT) as new,
    ):
        for member in old:
            name = member.name.partition(".")[0]
            if name not in ids:
                new.addfile(member, old.extractfile(member))
                left.add(name)
    return sink.getvalue(), len(left)


def _typed(batch: pa.RecordBatch) -> Row:
    """The one row, each column of one JSON type whatever its value."""
    row: Row = batch.to_pylist()[0]
    for field in batch.schema:
        value = row[field.name]
        if value is None and pa.types.is_string(field.type):
            row[field.name] = ""  # a null that later becomes text ends readers
        elif isinstance(value, float):
            row[field.name] = _finite(value, field.type)
    return row


def _elsewhere(output: Output) -> set[str]:
    """Columns that the JSON lacks: a member's own, and those that no edit of the output has."""
    drawn = output.settings["edit"].get("variants")
    return {"id", "target_prompt"} | ({field.name for field in TRIES} if not drawn else set())


def _finite(value: float, kind: pa.DataType) -> float | None:
    # JSON has no NaN and no infinity; and 0.3 is not to be read as 0.30000001192092896.
    short = float(str(np.float32(value))) if pa.types.is_float32(kind) else value
    return short if math.isfinite(short) else None


def _members(
    row: Row, views: Mapping[str, pa.Buffer], same: Mapping[str, str | int], output: Output
) -> Iterator[tuple[str, pa.Buffer]]:
    source, edited = views["image"], views["edited"]
    if output.source:
        yield SOURCE, source
    yield MASK, views["mask"]
    values = {name: value for name, value in row.items() if name not in _elsewhere(output)}
    formats = {"source_format": told(source) if source.size else ""}
    formats |= {"edited_format": told(edited)}
    labels = changed(row, output)
    said = json.dumps(
        {**values, **labels, **formats, **same}, ensure_ascii=False, separators=(",", ":")
    )
    yield JSON, pa.py_buffer(said.encode())
    yield TEXT, pa.py_buffer(row["target_prompt"].encode())
    yield output.ending, edited
