"""metadata.jsonl, .csv and .parquet as Hugging Face's imagefolder has them, or a shop's feed: rows
that name a file.

Knows neither where the files are nor what the other columns mean.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import RowError
from pipeline.sources import _text, _values

NAMES = ("metadata.jsonl", "metadata.csv", "metadata.parquet")
FILE = "file_name"
DELIMITERS = ",;\t|"
BROKEN_LINES = 100
"""Lines of a table told one by one; after them the table counts as unreadable."""

Row = dict[str, Any]


@dataclass(frozen=True)
class Line:
    """One row of a table, or why it cannot be read."""

    number: int
    row: Row
    error: RowError | None = None


def lines(name: str, data: bytes, file: str = FILE) -> Iterator[Line]:
    """Each row of the table `name`, with text in its column `file`; what is broken has an error."""
    broken = 0
    number = 1
    try:
        for number, row in _rows(name, data, file):
            line = row if isinstance(row, Line) else _checked(name, number, row, file)
            yield line
            broken += line.error is not None
            if broken > BROKEN_LINES:
                raise ValueError(f"{broken} broken lines")
    except RowError as error:
        yield Line(number, {}, error)
    except (ValueError, RecursionError, csv.Error, pa.ArrowException, OSError) as error:
        why = " ".join(str(error).split())[:300]
        yield Line(number, {}, _bad(name, f"unreadable after line {number}: {why}"))


def _checked(name: str, number: int, row: Row, file: str) -> Line:
    if isinstance(row.get(file), str) and row[file].strip():
        return Line(number, row)
    there = ", ".join(map(str, row)) or "nothing"
    return Line(number, {}, _bad(name, f"line {number}: no text in {file}; there are: {there}"))


def _bad(name: str, message: str) -> RowError:
    return RowError("bad_metadata", f"{name}: {message}")


def _rows(name: str, data: bytes, file: str) -> Iterator[tuple[int, Row | Line]]:
    if _text.lfs_pointer(data):
        raise _bad(name, _text.POINTER)
    if name.lower().endswith(".parquet"):
        yield from _parquet(data)
        return
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        at = f"byte {error.start} is 0x{data[error.start]:02x}"
        raise _bad(name, f"not UTF-8 text ({at}); convert it") from error
    yield from _jsonl(name, text) if name.lower().endswith(".jsonl") else _csv(name, text, file)


def _jsonl(name: str, text: str) -> Iterator[tuple[int, Row | Line]]:
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            if not isinstance(row, dict):
                raise ValueError("expected a JSON object")
            yield number, {_text.clean(str(k)): _text.jsonable(v) for k, v in row.items()}
        except (ValueError, RecursionError) as error:
            yield number, Line(number, {}, _bad(name, f"line {number}: {error}"))


def _csv(name: str, text: str, file: str) -> Iterator[tuple[int, Row | Line]]:
    reader = csv.reader(
        io.StringIO(text, newline=""), delimiter=_delimiter(text, file), strict=True
    )
    header = _values.apart([_text.clean(cell).strip() for cell in next(reader, [])])
    if file not in header:
        raise _bad(name, f"no column {file}; its columns: {', '.join(header) or 'none'}")
    for cells in reader:
        number = reader.line_num
        if len(cells) == len(header):
            yield number, {k: _text.clean(v) for k, v in zip(header, cells, strict=True)}
        elif cells:
            told = f"line {number}: {len(cells)} fields, but {len(header)} columns"
            yield number, Line(number, {}, _bad(name, f"{told}; quote what has commas in it"))


def _delimiter(text: str, file: str) -> str:
    """The character beside the column `file` in the first line."""
    header = text.split("\n", 1)[0]
    for delimiter in DELIMITERS:
        if file in [cell.strip(' "\r\ufeff') for cell in header.split(delimiter)]:
            return delimiter
    return ","


def _parquet(data: bytes) -> Iterator[tuple[int, Row]]:
    number = 0
    with pq.ParquetFile(pa.BufferReader(data)) as table:
        for batch in table.iter_batches(1024, use_threads=False):
            for row in _values.rows(batch):
                number += 1
                yield number, {_text.clean(k): _text.jsonable(v) for k, v in row.items()}
