"""A chunk's files without some of its rows, in all formats. Knows not why they go."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline import storage
from pipeline.sinks import dead, parquet, webdataset
from pipeline.sinks.commits import Commit, PartFile
from pipeline.sinks.files import Files
from pipeline.sinks.output import Output
from pipeline.sinks.runs import runs

_WITHOUT = {
    "edits": parquet.without,
    "webdataset": webdataset.without,
    "dead": parquet.without,
}


def without(output: Output, before: Commit, ids: Collection[str], attempt: Files) -> dict[str, Any]:
    """What the record `before` says of its rows once those of `ids` are gone: files and counts."""
    files = [kept for file in before.files for kept in _kept(output, file, attempt, ids)]
    living = "edits" if "parquet" in output.formats else "webdataset"
    written = sum(file.rows for file in files if file.kind == living)
    return {"files": files, "written": written, **_letters(output, before, ids)}


def living_and_dead(output: Output, commit: Commit) -> list[PartFile]:
    """The files that hold each of the chunk's rows once."""
    living = "edits" if "parquet" in output.formats else "webdataset"
    return [*commit.files_of(living), *commit.files_of("dead")]


def keys(output: Output, commit: Commit) -> Iterator[tuple[str, str]]:
    """(id, key) of all the chunk's edits and dead letters."""
    for file in living_and_dead(output, commit):
        path = f"{output.root}/{file.path}"
        if file.kind == "webdataset":
            rows = webdataset.rows(storage.read(output.fs, path))
            yield from ((row["id"], row["key"]) for row in rows)
            continue
        table = _table(output, path)
        yield from zip(table["id"].to_pylist(), table["key"].to_pylist(), strict=True)


def _table(output: Output, path: str) -> pa.Table:
    part = storage.retried(lambda: pq.ParquetFile(path, filesystem=output.fs))
    return storage.retried(lambda: part.read(columns=["id", "key"]))


def _kept(
    output: Output, file: PartFile, attempt: Files, ids: Collection[str]
) -> Iterator[PartFile]:
    """The file, or what is left of it without `ids`: nothing where it held no others."""
    data = storage.read(output.fs, f"{output.root}/{file.path}")
    left, rows = _WITHOUT[file.kind](data, ids)
    if rows == file.rows:
        yield file
    elif rows:
        yield attempt.put(file.kind, left, rows)


def _letters(output: Output, before: Commit, ids: Collection[str]) -> dict[str, Any]:
    """What the record says of the dead letters that are left."""
    tables = [dead.read_part(output, file.path) for file in before.files_of("dead")]
    if not tables:
        return {"dead": 0}
    letters = pa.concat_tables(tables)
    left = letters.filter(pc.invert(pc.is_in(letters["id"], pa.array(list(ids), pa.string()))))
    ordinals = sorted(set(left["ordinal"].to_pylist()))
    return {"dead": len(left), "dead_by_kind": dead.by_kind(left), "dead_ordinals": runs(ordinals)}
