"""Takes edits and dead letters out of an output for good. Knows no stage and no picture.

A chunk that holds some commits a next generation without them, in all formats; the files that held
them go with the sweep. The record keeps their ids: they stay counted (`planned == written + dead +
removed`), a resume finds the chunk done, and asked for again they are known.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipeline import storage
from pipeline.errors import RunError
from pipeline.sinks import dead, layout, parquet, webdataset
from pipeline.sinks.commits import (
    Commit,
    PartFile,
    create_commit,
    load_progress,
    read_commits,
)
from pipeline.sinks.lease import check_held, writing
from pipeline.sinks.output import Output
from pipeline.sinks.part import Files, by_kind, runs
from pipeline.sinks.publish import mark, publish
from pipeline.sinks.sweep import sweep

_WITHOUT = {
    "edits": parquet.without,
    "webdataset": webdataset.without,
    "dead": parquet.without,
}


def remove(output: Output, ids: Collection[str]) -> tuple[int, list[str]]:
    """(rows removed now, those of `ids` that are not there nor were removed before).

    Takes the lease; ends with a sweep, so that no removed picture stays on the disk, in the report
    neither. Raises UsageError where a run is writing there.
    """
    wanted = frozenset(ids)
    known: set[str] = set()
    removed = 0
    with writing(output) as output:
        with storage.explained(output.path, "remove edits", raising=RunError):
            mark(output)
            for commit in read_commits(output):
                here = wanted & _ids(output, commit)
                if here:
                    _commit_without(output, commit, here)
                removed += len(here)
                known |= here | wanted.intersection(commit.removed_ids)
        publish(output)  # before the sweep, so that the index names no file that is gone
        sweep(output, load_progress(output))
    return removed, sorted(wanted - known)


def _ids(output: Output, commit: Commit) -> set[str]:
    """Of all the chunk's edits and dead letters."""
    living = "edits" if "parquet" in output.formats else "webdataset"
    files = [*commit.files_of(living), *commit.files_of("dead")]
    return {name for file in files for name in _ids_in(output, file)}


def _ids_in(output: Output, file: PartFile) -> Iterator[str]:
    path = f"{output.root}/{file.path}"
    if file.kind == "webdataset":
        yield from (name for name, _ in webdataset.samples(storage.read(output.fs, path)))
        return
    part = storage.retried(lambda: pq.ParquetFile(path, filesystem=output.fs))
    yield from storage.retried(lambda: part.read(columns=["id"]))["id"].to_pylist()


def _commit_without(output: Output, before: Commit, ids: frozenset[str]) -> None:
    name = replace(before.name, generation=before.generation + 1)
    files = [
        kept for file in before.files for kept in _kept(output, file, Files(output, name), ids)
    ]
    dying = _letters(output, before, ids)
    living = len(ids) - (before.dead - dying["dead"])
    change = {
        **dying,
        "generation": name.generation,
        "written": before.written - living,
        "removed_ids": [*before.removed_ids, *sorted(ids)],
        "files": files,
    }
    check_held(output)
    # Its gallery may show them; `diffedit report` makes it anew.
    storage.remove(output.fs, f"{output.root}/{layout.REPORT}")
    if not create_commit(output, before.model_copy(update=change)):
        raise RunError(f"{output.path}: another writer changed a chunk; this one stops")


def _kept(
    output: Output, file: PartFile, attempt: Files, ids: frozenset[str]
) -> Iterator[PartFile]:
    """The file, or what is left of it without `ids`: nothing where it held no others."""
    data = storage.read(output.fs, f"{output.root}/{file.path}")
    left, rows = _WITHOUT[file.kind](data, ids)
    if rows == file.rows:
        yield file
    elif rows:
        yield attempt.put(file.kind, left, rows)


def _letters(output: Output, before: Commit, ids: frozenset[str]) -> dict[str, Any]:
    """What the record says of the dead letters that are left."""
    tables = [dead.read_part(output, file.path) for file in before.files_of("dead")]
    if not tables:
        return {"dead": 0}
    letters = pa.concat_tables(tables)
    left = letters.filter(pc.invert(pc.is_in(letters["id"], pa.array(list(ids)))))
    ordinals = sorted(set(left["ordinal"].to_pylist()))
    return {"dead": len(left), "dead_by_kind": by_kind(left), "dead_ordinals": runs(ordinals)}
