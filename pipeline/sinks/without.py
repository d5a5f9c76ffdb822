"""A chunk's files without some of its rows, in all formats. Knows not why they go."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline import storage
from pipeline.rows import but
from pipeline.sinks import dead, layout, parquet, webdataset
from pipeline.sinks.commits import Commit, PartFile
from pipeline.sinks.files import Files
from pipeline.sinks.output import Output
from pipeline.sinks.rejected import by_bound
from pipeline.sinks.runs import runs

_WITHOUT = {
    "edits": parquet.without,
    "webdataset": webdataset.without,
    "rejected": parquet.without,
    "dead": parquet.without,
}


def without(output: Output, before: Commit, ids: Collection[str], attempt: Files) -> dict[str, Any]:
    """What the record `before` says of its rows once those of `ids` are gone: files and counts."""
    files = [kept for file in before.files for kept in _kept(output, file, attempt, ids)]
    living = "edits" if "parquet" in output.formats else "webdataset"
    written = sum(file.rows for file in files if file.kind == living)
    told = {"files": files, "written": written, **_rejected(output, files)}
    return told | _letters(output, before, ids)


def each_once(output: Output, commit: Commit) -> list[PartFile]:
    """The files that hold each of the chunk's rows once."""
    living = "edits" if "parquet" in output.formats else "webdataset"
    return [file for kind in (living, "rejected", "dead") for file in commit.files_of(kind)]


def keys(output: Output, commit: Commit) -> Iterator[tuple[str, str]]:
    """(id, key) of all the chunk's edits, rejected ones too, and dead letters."""
    for file in each_once(output, commit):
        path = f"{output.root}/{file.path}"
        if file.kind == "webdataset":
            rows = webdataset.rows(storage.read(output.fs, path))
            yield from ((row["id"], row["key"]) for row in rows)
            continue
        table = _table(output, path, ["id", "key"])
        yield from zip(table["id"].to_pylist(), table["key"].to_pylist(), strict=True)


def _table(output: Output, path: str, columns: list[str]) -> pa.Table:
    part = storage.retried(lambda: pq.ParquetFile(path, filesystem=output.fs))
    return storage.retried(lambda: part.read(columns=columns))


def _kept(
    output: Output, file: PartFile, attempt: Files, ids: Collection[str]
) -> Iterator[PartFile]:
    """The file, or what is left of it without `ids`: nothing where it held no others."""
    data = storage.read(output.fs, f"{output.root}/{file.path}")
    left, rows = _WITHOUT[file.kind](data, ids)
    if rows == file.rows:
        yield file
    elif rows:
        # A chunk may have several of a kind.
        yield attempt.apart().put(file.kind, left, rows, layout.split_of(file.path))


def _rejected(output: Output, files: Sequence[PartFile]) -> dict[str, Any]:
    """What the record says of the rejected edits in `files`."""
    paths = [f"{output.root}/{file.path}" for file in files if file.kind == "rejected"]
    bounds = [b for p in paths for b in _table(output, p, ["rejected_by"])["rejected_by"]]
    return {"rejected": len(bounds), "rejected_by": by_bound([b.as_py() for b in bounds])}


def _letters(output: Output, before: Commit, ids: Collection[str]) -> dict[str, Any]:
    """What the record says of the dead letters that are left."""
    tables = [dead.read_part(output, file.path) for file in before.files_of("dead")]
    if not tables:
        return {"dead": 0}
    letters = pa.concat_tables(tables)
    left = but(letters, ids)
    ordinals = sorted(set(left["ordinal"].to_pylist()))
    return {"dead": len(left), "dead_by_kind": dead.by_kind(left), "dead_ordinals": runs(ordinals)}
