"""An output folder → what the page tells of it, a part at a time. Knows no HTML.

Only what commit records name is counted, so that a running or a killed run reads well too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import UsageError
from pipeline.report.distribution import Distribution
from pipeline.sinks import webdataset
from pipeline.sinks.commits import MISSING, Commit, idle_share, read_commits, superseded
from pipeline.sinks.output import Output
from pipeline.storage import explained, read, retried

EXAMPLES = 3
"""Dead letters shown of each stage and kind."""

Row = dict[str, Any]


@dataclass
class DeadGroup:
    """The dead letters of one stage and kind."""

    count: int = 0
    examples: list[Row] = field(default_factory=list)


@dataclass
class Summary:
    """All that a report tells."""

    counts: Counter[str] = field(
        default_factory=Counter
    )  # rows, planned, written, dead, removed, passed
    chunks: Counter[str] = field(default_factory=Counter)  # committed, by shard
    lengths: dict[str, int] = field(default_factory=dict)  # all chunks, by shard, where known
    distributions: dict[str, Distribution] = field(default_factory=dict)
    dead: dict[str, DeadGroup] = field(default_factory=dict)  # by "stage/kind"
    gallery: list[Row] = field(default_factory=list)
    model_seconds: float = 0.0
    idle_seconds: float = 0.0

    @property
    def idle_share(self) -> float | None:
        """Share of their time that the models waited, 0..1; None where they did not work."""
        return idle_share(self.model_seconds, self.idle_seconds)

    @property
    def adds_up(self) -> bool:
        """Whether each planned edit ended exactly once."""
        return self.counts["planned"] == sum(
            self.counts[name] for name in ("written", "dead", "removed")
        )

    @property
    def finished(self) -> int:
        """Shards of which every chunk is committed."""
        return sum(self.chunks[shard] == length for shard, length in self.lengths.items())


def collect(output: Output, gallery: int, problems: list[str] | None = None) -> Summary:
    """The summary of `output`, with `gallery` edits spread evenly over it.

    What is damaged or missing is told in `problems`; without them it is raised.
    """
    summary = Summary()
    parts: list[tuple[str, int]] = []
    living = "edits" if "parquet" in output.formats else "webdataset"
    for commit in read_commits(output, problems):
        _count(summary, commit)
        try:
            for file in commit.files_of(living):
                _measure(summary, output, file.path)
                parts.append((file.path, file.rows))
            for file in commit.files_of("dead"):
                _exhume(summary, output, file.path, set(commit.dead_by_kind))
        except (UsageError, pa.ArrowException) as error:
            if problems is None:
                raise
            if not superseded(output, commit):
                problems.append(f"{commit.shard} chunk {commit.chunk}: {error}; {MISSING}")
    parts.sort()
    for part, numbers in spread([count for _, count in parts], gallery):
        summary.gallery += _rows(output, parts[part][0], numbers)
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


def _count(summary: Summary, commit: Commit) -> None:
    for name in ("rows", "planned", "written", "dead", "removed", "passed"):
        summary.counts[name] += getattr(commit, name)
    summary.model_seconds += commit.model_seconds
    summary.idle_seconds += commit.idle_seconds
    for group, count in commit.dead_by_kind.items():
        summary.dead.setdefault(group, DeadGroup()).count += count
    summary.chunks[commit.shard] += 1
    if commit.last:
        summary.lengths[commit.shard] = commit.chunk + 1


def _open(output: Output, path: str) -> pq.ParquetFile:
    with explained(f"{output.path}/{path}", "read a committed part"):
        # Opened by fsspec: Arrow takes no path that is not UTF-8.
        return retried(lambda: pq.ParquetFile(output.fs.open(f"{output.root}/{path}", "rb")))


def _measure(summary: Summary, output: Output, path: str) -> None:
    """Adds a part's scores."""
    table = _scores(output, path)
    for name in table.column_names:
        values = table[name].cast(pa.float64()).to_numpy()
        name = name.removeprefix("score_")
        summary.distributions.setdefault(name, Distribution()).add(values)


def _scores(output: Output, path: str) -> pa.Table:
    if path.endswith(".tar"):
        rows = [{k: v for k, v in r.items() if _measured(k)} for r in _samples(output, path)]
        return pa.Table.from_pylist(rows)
    part = _open(output, path)
    return part.read(columns=[name for name in part.schema_arrow.names if _measured(name)])


def _measured(name: str) -> bool:
    return name == "mask_area" or name.startswith("score_")


def _samples(output: Output, path: str) -> Iterator[Row]:
    with explained(f"{output.path}/{path}", "read a committed part"):
        yield from webdataset.rows(read(output.fs, f"{output.root}/{path}"))


def _exhume(summary: Summary, output: Output, path: str, groups: set[str]) -> None:
    """Takes examples for those of `groups` that lack some; a part that gives none stays shut."""
    if all(len(summary.dead[group].examples) >= EXAMPLES for group in groups):
        return
    part = _open(output, path)
    names = [field.name for field in part.schema_arrow if not pa.types.is_nested(field.type)]
    for row in part.read(columns=names).to_pylist():
        group = summary.dead[f"{row['error_stage']}/{row['error_kind']}"]
        if len(group.examples) < EXAMPLES:
            group.examples.append(row)


def _rows(output: Output, path: str, numbers: Sequence[int]) -> Iterator[Row]:
    """The rows of a part at `numbers` (ascending), a few pictures in memory at a time."""
    if path.endswith(".tar"):
        yield from (row for i, row in enumerate(_samples(output, path)) if i in set(numbers))
        return
    first = 0
    for batch in _open(output, path).iter_batches(batch_size=4):
        for number in numbers:
            if first <= number < first + len(batch):
                yield batch.slice(number - first, 1).to_pylist()[0]
        first += len(batch)
