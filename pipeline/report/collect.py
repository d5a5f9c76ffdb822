"""An output folder → what the page tells of it, a part at a time. Knows no HTML.

Only what commit records name is counted, so that a running or a killed run reads well too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, groupby
from typing import Any

import pyarrow as pa

from pipeline.errors import UsageError
from pipeline.report.distribution import Distribution
from pipeline.sinks import edits, ledger, reviews
from pipeline.sinks.commits import MISSING, Commit, idle_share, read_commits, superseded
from pipeline.sinks.output import Output

SHOWN_RUNS = 10
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
    )  # rows, planned, written, rejected, dead, removed, passed
    chunks: Counter[str] = field(default_factory=Counter)  # committed, by shard
    lengths: dict[str, int] = field(default_factory=dict)  # all chunks, by shard, where known
    distributions: dict[str, Distribution] = field(default_factory=dict)
    dead: dict[str, DeadGroup] = field(default_factory=dict)  # by "stage/kind"
    rejected_by: Counter[str] = field(default_factory=Counter)  # by bound
    gallery: list[Row] = field(default_factory=list)
    verdicts: dict[str, str] = field(default_factory=dict)  # stored reviews, by id
    model_seconds: float = 0.0
    idle_seconds: float = 0.0
    runs: list[ledger.Entry] = field(default_factory=list)  # the last ones first

    @property
    def idle_share(self) -> float | None:
        """Share of their time that the models waited, 0..1; None where they did not work."""
        return idle_share(self.model_seconds, self.idle_seconds)

    @property
    def adds_up(self) -> bool:
        """Whether each planned edit ended exactly once."""
        return self.counts["planned"] == sum(
            self.counts[name] for name in ("written", "rejected", "dead", "removed")
        )

    @property
    def finished(self) -> int:
        """Shards of which every chunk is committed."""
        return sum(self.chunks[shard] == length for shard, length in self.lengths.items())


def collect(output: Output, gallery: int, problems: list[str] | None = None) -> Summary:
    """The summary of `output`, with about `gallery` edits: all of a picture's, evenly over it.

    What is damaged or missing is told in `problems`; without them it is raised.
    """
    summary = Summary()
    parts: list[tuple[str, list[int]]] = []
    for commit in read_commits(output, problems):
        _count(summary, commit)
        try:
            for file in edits.parts_of(output, commit):
                if file.rows:
                    parts.append((file.path, _measure(summary, output, file.path)))
            for file in commit.files_of("dead"):
                _exhume(summary, output, file.path, set(commit.dead_by_kind))
        except (UsageError, pa.ArrowException) as error:
            if problems is None:
                raise
            if not superseded(output, commit):
                problems.append(f"{commit.shard} chunk {commit.chunk}: {error}; {MISSING}")
    parts.sort()
    pictures = sum(len(counts) for _, counts in parts)
    written = sum(sum(counts) for _, counts in parts)
    number = pictures if written <= gallery else max(1, gallery * pictures // max(1, written))
    for part, chosen in spread([len(counts) for _, counts in parts], number):
        path, counts = parts[part]
        summary.gallery += edits.rows(output, path, _variants(counts, chosen))
    summary.verdicts = dict(reviews.verdicts(output))
    summary.runs = list(ledger.runs(output))[: -SHOWN_RUNS - 1 : -1]
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
    for name in ("rows", "planned", "written", "rejected", "dead", "removed", "passed"):
        summary.counts[name] += getattr(commit, name)
    summary.rejected_by.update(commit.rejected_by)
    summary.model_seconds += commit.model_seconds
    summary.idle_seconds += commit.idle_seconds
    for group, count in commit.dead_by_kind.items():
        summary.dead.setdefault(group, DeadGroup()).count += count
    summary.chunks[commit.shard] += 1
    if commit.last:
        summary.lengths[commit.shard] = commit.chunk + 1


def _measure(summary: Summary, output: Output, path: str) -> list[int]:
    """Adds a part's scores; how many edits each of its pictures has, in order."""
    table = edits.columns(output, path, _told)
    for name in filter(_measured, table.column_names):
        values = table[name].cast(pa.float64()).to_numpy()
        name = name.removeprefix("score_")
        summary.distributions.setdefault(name, Distribution()).add(values)
    keys = zip(table["shard"].to_pylist(), table["key"].to_pylist(), strict=True)
    return [len(list(same)) for _, same in groupby(keys)]


def _told(name: str) -> bool:
    return name in ("shard", "key") or _measured(name)


def _measured(name: str) -> bool:
    return name == "mask_area" or name.startswith("score_")


def _exhume(summary: Summary, output: Output, path: str, groups: set[str]) -> None:
    """Takes examples for those of `groups` that lack some; a part that gives none stays shut."""
    if all(len(summary.dead[group].examples) >= EXAMPLES for group in groups):
        return
    part = edits.open_part(output, path)
    names = [field.name for field in part.schema_arrow if not pa.types.is_nested(field.type)]
    for row in part.read(columns=names).to_pylist():
        group = summary.dead[f"{row['error_stage']}/{row['error_kind']}"]
        if len(group.examples) < EXAMPLES:
            group.examples.append(row)


def _variants(counts: Sequence[int], chosen: Collection[int]) -> list[int]:
    """Positions of all edits of the `chosen` pictures, of which each has so many."""
    ends = list(accumulate(counts))
    return [n for at in chosen for n in range(ends[at] - counts[at], ends[at])]
