"""Reads the committed edits of an output, whichever format they are in. Knows no use of them."""

from __future__ import annotations

import tarfile
from collections.abc import Callable, Collection, Iterator
from itertools import islice
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import RunError
from pipeline.sinks import webdataset
from pipeline.sinks.commits import MISSING, Commit, PartFile, read_commits
from pipeline.sinks.output import Output
from pipeline.sinks.parquet import ROW_GROUP
from pipeline.storage import explained, read, retried

Row = dict[str, Any]

BATCH = 4
"""Rows whose pictures are in memory at a time."""


def parts_of(output: Output, commit: Commit) -> list[PartFile]:
    """The files with the commit's edits, in one format where there are several."""
    return commit.files_of("edits" if "parquet" in output.formats else "webdataset")


def parts(output: Output) -> list[PartFile]:
    """Those of all commits, by path."""
    found = [part for commit in read_commits(output) for part in parts_of(output, commit)]
    return sorted(found, key=lambda part: part.path)


def open_part(output: Output, path: str) -> pq.ParquetFile:
    """A committed Parquet file. Raises UsageError where it is missing."""
    with explained(f"{output.path}/{path}", "read a committed part"):
        # Opened by fsspec: Arrow takes no path that is not UTF-8.
        return retried(lambda: pq.ParquetFile(output.fs.open(f"{output.root}/{path}", "rb")))


def columns(output: Output, path: str, wanted: Callable[[str], bool]) -> pa.Table:
    """The columns of a part that are `wanted` by name, in the order of its rows."""
    if path.endswith(".tar"):
        rows = [{k: v for k, v in row.items() if wanted(k)} for row in _samples(output, path)]
        return pa.Table.from_pylist(rows)
    part = open_part(output, path)
    chosen = [name for name in part.schema_arrow.names if wanted(name)]
    return part.read(columns=chosen, use_threads=False)


def rows(output: Output, path: str, numbers: Collection[int]) -> Iterator[Row]:
    """The rows of a part at `numbers`, in its order: pictures are `{"bytes": …}`."""
    chosen = set(numbers)
    if path.endswith(".tar"):
        yield from (row for i, row in enumerate(_samples(output, path)) if i in chosen)
        return
    first = 0
    for batch in open_part(output, path).iter_batches(batch_size=BATCH, use_threads=False):
        for number in sorted(chosen.intersection(range(first, first + len(batch)))):
            yield batch.slice(number - first, 1).to_pylist()[0]
        first += len(batch)


def first_rows(output: Output, path: str, wanted: Collection[str]) -> Iterator[Row]:
    """The `wanted` columns of a part's first rows: of a Parquet file's first group, of as many
    samples of a tar. No more of the part is read. Raises RunError where it is damaged."""
    try:
        yield from (_first_samples if path.endswith(".tar") else _first_group)(output, path, wanted)
    except (pa.ArrowException, tarfile.TarError, EOFError, KeyError, ValueError) as error:
        raise RunError(f"{output.path}/{path}: {MISSING} ({error})") from error


def _first_group(output: Output, path: str, wanted: Collection[str]) -> Iterator[Row]:
    part = open_part(output, path)
    there = [name for name in part.schema_arrow.names if name in wanted]
    batches = part.iter_batches(BATCH, row_groups=[0], columns=there, use_threads=False)
    yield from (row for batch in batches for row in batch.to_pylist())


def _first_samples(output: Output, path: str, wanted: Collection[str]) -> Iterator[Row]:
    with (
        explained(f"{output.path}/{path}", "read a committed part"),
        output.fs.open(f"{output.root}/{path}", "rb") as file,
    ):
        for row in islice(webdataset.rows(file), ROW_GROUP):
            yield {name: value for name, value in row.items() if name in wanted}


def ids(output: Output) -> set[str]:
    """The id of every edit."""
    tables = (columns(output, part.path, "id".__eq__) for part in parts(output) if part.rows)
    return {name for table in tables for name in table["id"].to_pylist()}


def _samples(output: Output, path: str) -> Iterator[Row]:
    with explained(f"{output.path}/{path}", "read a committed part"):
        yield from webdataset.rows(read(output.fs, f"{output.root}/{path}"))
