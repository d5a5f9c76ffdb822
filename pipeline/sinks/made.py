"""A committed chunk's edits, written and rejected, one by one. Knows no bound.

Rows are as a Parquet file of edits has them, whatever file they come from. Of each file a row group
is in memory at a time.
"""

from __future__ import annotations

import heapq
import json
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from operator import attrgetter
from typing import Any, NamedTuple

import pyarrow as pa

from pipeline import storage, typed
from pipeline.rows import conform
from pipeline.sinks import edits, webdataset
from pipeline.sinks.commits import Commit
from pipeline.sinks.inputs import of_row
from pipeline.sinks.output import Output
from pipeline.sinks.parquet import IMAGE, PICTURES, file_of_edits, no_rows
from pipeline.sinks.pictures import extension
from pipeline.sinks.rejected import REASON

Values = dict[str, Any]


class Made(NamedTuple):
    """One edit."""

    ordinal: int  # -1 where its file does not tell it
    id: str
    read: Callable[[], pa.Table]  # its row, of `schema_of`


def values(output: Output, commit: Commit, names: Sequence[str]) -> Iterator[Values]:
    """`names`, `id` and `reason` (None where it is written) of each edit, in no order."""
    for part in edits.parts_of(output, commit):
        wanted = {"id", *names}
        for row in edits.columns(output, part.path, wanted.__contains__).to_pylist():
            yield {**row, "reason": None}
    for part in commit.files_of("rejected"):
        wanted = {"id", "reason", *names}
        yield from edits.columns(output, part.path, wanted.__contains__).to_pylist()


def schema_of(output: Output, commit: Commit) -> pa.Schema:
    """Of all the chunk's edits: an older version may have left out columns."""
    files = [*edits.parts_of(output, commit), *commit.files_of("rejected")]
    schemas = [_without_reason(_schema(output, file.path)) for file in files]
    return pa.unify_schemas(schemas).with_metadata(schemas[0].metadata)


def made(output: Output, commit: Commit, schema: pa.Schema) -> Iterator[Made]:
    """The edits in the order of their pictures, as far as it is known."""
    streams = [
        _samples(output, commit, part.path, schema)
        if part.kind == "webdataset"
        else _rows(output, part.path, schema)
        for part in (*edits.parts_of(output, commit), *commit.files_of("rejected"))
    ]
    return heapq.merge(*streams, key=attrgetter("ordinal"))


def _schema(output: Output, path: str) -> pa.Schema:
    if path.endswith(".tar"):
        return file_of_edits(no_rows(output), output).schema
    return edits.open_part(output, path).schema_arrow


def _without_reason(schema: pa.Schema) -> pa.Schema:
    kept = [field for field in schema if field.name not in REASON]
    return pa.schema(kept, metadata=schema.metadata)


def _rows(output: Output, path: str, schema: pa.Schema) -> Iterator[Made]:
    part = edits.open_part(output, path)
    for number in range(part.num_row_groups):
        group = conform(part.read_row_group(number, use_threads=False), schema)
        names, ordinals = group["id"].to_pylist(), group["ordinal"].to_pylist()
        for at, (name, ordinal) in enumerate(zip(names, ordinals, strict=True)):
            yield Made(-1 if ordinal is None else ordinal, name, partial(group.slice, at, 1))


def _samples(output: Output, commit: Commit, path: str, schema: pa.Schema) -> Iterator[Made]:
    with output.fs.open(f"{output.root}/{path}", "rb") as file:
        for row in webdataset.rows(file):
            yield Made(-1, row["id"], partial(_table, output, commit, row, schema))


def _table(output: Output, commit: Commit, row: Values, schema: pa.Schema) -> pa.Table:
    """A sample's row; where its picture stands in the shard is not told by it."""
    texts = {name: value or None for name, value in row.items() if isinstance(value, str)}
    prompts = {name: row[name] for name in ("source_prompt", "target_prompt")}
    known = {**row, **texts, **prompts, "shard_version": commit.shard_version}
    known |= {**_provenance(output, row["fingerprint"]), **of_row(row, output)}
    for name in PICTURES:
        data = row[name]["bytes"]
        path = None if data is None else f"{name}.{extension(data)}"
        known[name] = {"bytes": data, "path": path}
    arrays = [typed.array([known.get(field.name)], _type(field)) for field in schema]
    return pa.table(arrays, schema=schema)


def _type(field: pa.Field) -> pa.DataType:
    return IMAGE if field.name in PICTURES else field.type


def _provenance(output: Output, fingerprint: str) -> Values:
    """What the settings of a row say, which a replay may have changed."""
    kept = dict(output.provenance)
    if fingerprint != output.fingerprint:
        path = f"{output.root}/settings/{fingerprint}.json"
        settings = json.loads(storage.read(output.fs, path))
        ways = {key: settings[key] for key in ("mask", "invert", "edit")}
        kept["settings"] = json.dumps(ways, sort_keys=True, separators=(",", ":"))
    return {name: kept[name] for name in ("input", "run", "run_seed", "settings")}
