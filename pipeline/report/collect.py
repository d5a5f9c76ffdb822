"""An output folder → what the page tells of it, a part at a time. Knows no HTML.

Only what commit records name is counted, so that a running or a killed run reads well too.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from fsspec import AbstractFileSystem

from pipeline.report.distribution import Distribution
from pipeline.storage import explained

EXAMPLES = 3
"""Dead letters shown of each stage and kind."""
COUNTS = ("rows", "planned", "written", "dead", "passed")

Row = dict[str, Any]


@dataclass
class DeadGroup:
    """The dead letters of one stage and kind."""

    count: int = 0
    examples: list[Row] = field(default_factory=list)


@dataclass
class Summary:
    """All that a report tells."""

    run: dict[str, Any]
    counts: Counter[str] = field(default_factory=Counter)
    begun: int = 0  # shards with a committed chunk
    finished: int = 0  # shards whose last chunk is committed
    distributions: dict[str, Distribution] = field(default_factory=dict)
    dead: dict[tuple[str, str], DeadGroup] = field(default_factory=dict)
    gallery: list[Row] = field(default_factory=list)

    @property
    def adds_up(self) -> bool:
        """Whether each planned edit ended exactly once."""
        return self.counts["planned"] == self.counts["written"] + self.counts["dead"]


def collect(fs: AbstractFileSystem, root: str, gallery: int) -> Summary:
    """The summary of the output in `root`, with `gallery` edits spread evenly over it.

    Raises UsageError where there is no run, or where a committed file is missing.
    """
    with explained(f"{root}/run.json", "read the run's settings"):
        summary = Summary(json.loads(fs.cat_file(f"{root}/run.json")))
    parts: list[tuple[str, int]] = []
    for folder in _folders(fs, f"{root}/commits"):
        records = _records(fs, folder)
        summary.begun += bool(records)
        for record in records:
            _add(summary, fs, root, record)
            parts += [(path, record["written"]) for path in _files(record, "edits/")]
    for part, numbers in spread([count for _, count in parts], gallery):
        path = f"{root}/{parts[part][0]}"
        with explained(path, "read the edits"):
            summary.gallery += _rows(fs, path, numbers)
    return summary


def spread(counts: Sequence[int], number: int) -> Iterator[tuple[int, list[int]]]:
    """`number` items (or all) evenly among parts of `counts` items: (part, positions in it)."""
    total = sum(counts)
    number = min(number, total)
    picks = [(2 * i + 1) * total // (2 * number) for i in range(number)]
    first = 0
    for part, count in enumerate(counts):
        inside = [pick - first for pick in picks if first <= pick < first + count]
        if inside:
            yield part, inside
        first += count


def _folders(fs: AbstractFileSystem, path: str) -> list[str]:
    try:
        return sorted(fs.ls(path, detail=False))
    except FileNotFoundError:
        return []


def _records(fs: AbstractFileSystem, folder: str) -> list[dict[str, Any]]:
    paths = [path for path in fs.find(folder) if path.endswith(".json")]
    return [json.loads(text) for _, text in sorted(fs.cat(paths).items())] if paths else []


def _files(record: dict[str, Any], folder: str) -> list[str]:
    return [file["path"] for file in record["files"] if file["path"].startswith(folder)]


def _add(summary: Summary, fs: AbstractFileSystem, root: str, record: dict[str, Any]) -> None:
    summary.counts.update({name: record[name] for name in COUNTS})
    summary.finished += record["last"]
    for path in _files(record, "edits/"):
        with explained(f"{root}/{path}", "read the scores"):
            _measure(summary, pq.ParquetFile(f"{root}/{path}", filesystem=fs))
    for path in _files(record, "dead/"):
        with explained(f"{root}/{path}", "read the dead letters"):
            _bury(summary, pq.ParquetFile(f"{root}/{path}", filesystem=fs))


def _measure(summary: Summary, part: pq.ParquetFile) -> None:
    names = [n for n in part.schema_arrow.names if n == "mask_area" or n.startswith("score_")]
    table = part.read(columns=names)
    for name in names:
        values = table[name].cast(pa.float64()).to_numpy()
        name = name.removeprefix("score_")
        summary.distributions.setdefault(name, Distribution()).add(values)


def _bury(summary: Summary, part: pq.ParquetFile) -> None:
    names = [f.name for f in part.schema_arrow if not _holds_bytes(f.type)]
    for row in part.read(columns=names).to_pylist():
        key = (row["error_stage"], row["error_kind"])
        group = summary.dead.setdefault(key, DeadGroup())
        group.count += 1
        if len(group.examples) < EXAMPLES:
            group.examples.append(row)


def _holds_bytes(kind: pa.DataType) -> bool:
    return bool(pa.types.is_binary(kind) or pa.types.is_struct(kind))


def _rows(fs: AbstractFileSystem, path: str, numbers: Sequence[int]) -> Iterator[Row]:
    """The rows of a part at `numbers` (ascending), a few pictures in memory at a time."""
    first = 0
    for batch in pq.ParquetFile(path, filesystem=fs).iter_batches(batch_size=4):
        for number in numbers:
            if first <= number < first + len(batch):
                yield batch.slice(number - first, 1).to_pylist()[0]
        first += len(batch)
