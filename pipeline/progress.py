"""What a person sees of a run: the bar, the summary, the plan. Knows counts, not how they come."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from pipeline.config import RunConfig
from pipeline.rows import SPENT
from pipeline.sinks.ledger import COUNTS

if TYPE_CHECKING:
    import pyarrow as pa

    from pipeline.engine.estimate import Estimate
    from pipeline.engine.recorded import Watch
    from pipeline.engine.tally import Tally
    from pipeline.sinks.ledger import Entry


@contextmanager
def progress(console: Console) -> Iterator[Watch]:
    """A live bar; yields the function that moves it."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:.0f} images"),
        TextColumn("{task.fields[rate]}"),
        TextColumn("[green]{task.fields[edits]} edits[/]"),
        TextColumn("[red]{task.fields[dead]} dead[/]"),
        TextColumn("[dim]{task.fields[idle]}[/]"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("editing", total=None, rate="starting", edits=0, dead=0, idle="")

        def watch(tally: Tally) -> None:
            elapsed = bar.tasks[0].elapsed or 0.0
            rate = f"{tally.rows / elapsed:.2f} images/s" if tally.rows and elapsed else "starting"
            bar.update(
                task,
                completed=tally.rows,
                total=tally.expected_rows or None,
                rate=rate,
                edits=tally.written,
                dead=tally.dead,
                idle=idle(tally),
            )

        yield watch


class Log:
    """Prints the progress of a run now and then, for logs; a `Watch`."""

    def __init__(self, say: Callable[[str], None], seconds: float = 30.0) -> None:
        self._say, self._seconds = say, seconds
        self._begin = time.monotonic()
        self._next = 0.0

    def __call__(self, tally: Tally) -> None:
        """Prints a line where the last one is long ago."""
        now = time.monotonic()
        if now >= self._next:
            self._next = now + self._seconds
            self._say(progress_line(tally, now - self._begin))


def progress_line(tally: Tally, seconds: float) -> str:
    """Counts, percent, rate and time left of a run that began `seconds` ago."""
    rejected = f"{tally.rejected:,} rejected, " if tally.rejected else ""
    parts = [
        f"{tally.rows:,} images, {tally.written:,} edits, {rejected}{tally.dead:,} dead letters"
    ]
    if tally.expected_rows:
        parts.insert(0, f"{100 * min(1.0, tally.rows / tally.expected_rows):.0f} %")
    if tally.rows and seconds > 0:
        rate = tally.rows / seconds
        parts.append(f"{rate:.2f} images/s")
        if tally.expected_rows > tally.rows:
            left = timedelta(seconds=round((tally.expected_rows - tally.rows) / rate))
            parts.append(f"about {left} left")
    return ", ".join(parts)


def tally_json(tally: Tally) -> dict[str, Any]:
    """What a run did, for machines."""
    counts = {name: getattr(tally, name) for name in (*COUNTS, "bytes")}
    seconds = {name: round(getattr(tally, name), 3) for name in SPENT}
    over, stopped = tally.passed_over.files, tally.stopped or None
    why = {"dead_by_kind": tally.reasons, "rejected_by": tally.rejected_by}
    return {**counts, **seconds, **why, "files_passed_over": over, "stopped": stopped}


def summary(config: RunConfig, tally: Tally) -> str:
    """The closing lines of a run."""
    gone = [f"gone from the input since an earlier run: {tally.gone:,}"] if tally.gone else []
    bounds = [f"in force since `diffedit recheck`: {tally.in_force}"] if tally.in_force else []
    ends = [*tally.passed_over.lines(), *gone, *bounds, f"output: {config.output.path}"]
    if tally.stopped:
        ends.append(f"stopped at {tally.stopped}; the same command goes on")
    elif not tally.chunks:
        nothing = f"nothing to do: every chunk of {config.input.path} is committed already"
        return "\n".join([nothing, *ends])
    return "\n".join([counts(tally), *filter(None, [idle(tally)]), *ends])


def idle(tally: Tally) -> str:
    """How long the models waited for work between their first batch and their last."""
    share = tally.idle_share
    return "" if share is None else f"model idle {100 * share:.0f} %"


def counts(tally: Tally) -> str:
    """Counts that add up, and the commonest reasons of dead letters."""
    rejected = f"rejected {tally.rejected} + " if tally.rejected else ""
    removed = f" + removed {tally.removed}" if tally.removed else ""
    lines = [
        f"{tally.rows} images: planned {tally.planned} = "
        f"written {tally.written} + {rejected}dead {tally.dead}{removed}; passed {tally.passed}"
    ]
    if tally.rejected:
        lines.append(f"rejected by check.keep: {tally.bounds()}")
    if tally.dead:
        lines.append(f"dead letters, {tally.commonest()}")
    return "\n".join(lines)


def plan_table(estimate: Estimate, model: Iterable[tuple[str, str]] = ()) -> Table:
    """What a run would do, as a table with sample prompts and facts of its model."""
    table = Table(title="plan", show_header=False, title_justify="left")
    for name, value in (*estimate.facts(), *estimate.targets(), *model):
        table.add_row(name, escape(value))
    for line in estimate.passed_over.lines():
        table.add_row("", escape(line))
    for sample in estimate.samples:
        table.add_row("for example", f"{sample.source_prompt!r} → {sample.target_prompt!r}")
    return table


def runs_table(entries: Iterable[Entry]) -> Table:
    """One line a run, the last one last."""
    names = ("begin", "end", "host", "images", "written", "rejected", "dead", "gone")
    spent = ("codec s", "model s", "evaluations", "MiB read", "MiB written")
    table = Table(*names, *spent, "outcome", caption=_FORETOLD)
    for entry in entries:
        counts = (entry.rows, entry.written, entry.rejected, entry.dead, entry.gone)
        told = f"{entry.outcome} {entry.message}".strip()
        row = [entry.begin, entry.end or "", entry.host, *(f"{n:,}" for n in counts)]
        table.add_row(*map(escape, [*row, *_against(entry), told]))
    return table


_FORETOLD = "fact / what was foretold when the run began"


def _against(entry: Entry) -> list[str]:
    """Fact and forecast of seconds, evaluations and MiB, as far as each is known."""
    return [
        " / ".join(f"{value / unit:,.0f}" for value in pair if value is not None)
        for pair, unit in (
            ((entry.codec_seconds,), 1),
            ((entry.model_seconds, getattr(entry.foretold, "model_seconds", None)), 1),
            ((entry.evaluations, getattr(entry.foretold, "evaluations", None)), 1),
            ((entry.bytes_read,), 2**20),
            ((entry.bytes, getattr(entry.foretold, "bytes", None)), 2**20),
        )
    ]


def dead_json(tables: Iterable[pa.Table]) -> dict[str, Any]:
    """Dead letters by "stage/kind", for machines."""
    counts: Counter[str] = Counter()
    for letters in tables:
        rows = letters.select(["error_stage", "error_kind"]).to_pylist()
        counts.update(f"{row['error_stage']}/{row['error_kind']}" for row in rows)
    return {"letters": counts.total(), "by_kind": dict(counts)}


def dead_table(tables: Iterable[pa.Table]) -> Table:
    """Dead letters by stage and kind: how many, and one of them."""
    counts: Counter[tuple[str, str]] = Counter()
    examples: dict[tuple[str, str], tuple[str, str]] = {}
    for letters in tables:
        names = ["error_stage", "error_kind", "key", "error_message"]
        for row in letters.select(names).to_pylist():
            reason = (row["error_stage"], row["error_kind"])
            counts[reason] += 1
            examples.setdefault(reason, (row["key"], row["error_message"]))
    table = Table(*("stage", "kind", "letters", "for example", "message"))
    for reason, count in counts.most_common():
        table.add_row(*reason, f"{count:,}", *(escape(text) for text in examples[reason]))
    return table


def letter(row: dict[str, Any]) -> str:
    """A dead letter as JSON; bytes as their number."""
    shown = {k: f"{len(v)} bytes" if isinstance(v, bytes) else v for k, v in row.items()}
    return json.dumps(shown, indent=2, ensure_ascii=False)
