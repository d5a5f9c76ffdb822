"""What a person sees of a run: the bar, the summary, the plan. Knows counts, not how they come."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.progress import TimeRemainingColumn
from rich.table import Table

from pipeline.config import RunConfig

if TYPE_CHECKING:
    from pipeline.engine.estimate import Estimate
    from pipeline.engine.run import Watch
    from pipeline.engine.tally import Tally


@contextmanager
def progress(config: RunConfig, console: Console) -> Iterator[Watch]:
    """A live bar; yields the function that moves it."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:.0f} images"),
        TextColumn("{task.fields[rate]}"),
        TextColumn("[green]{task.fields[edits]} edits[/]"),
        TextColumn("[red]{task.fields[dead]} dead[/]"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("editing", total=None, rate="starting", edits=0, dead=0)

        def watch(tally: Tally) -> None:
            elapsed = bar.tasks[0].elapsed or 0.0
            rate = f"{tally.rows / elapsed:.2f} images/s" if tally.rows and elapsed else "starting"
            bar.update(
                task,
                completed=tally.rows,
                total=tally.expected_rows,
                rate=rate,
                edits=tally.written,
                dead=tally.dead,
            )

        yield watch


def summary(config: RunConfig, tally: Tally) -> str:
    """The closing lines of a run."""
    where = f"output: {config.output.path}"
    if not tally.chunks:
        return f"nothing to do: every chunk of {config.input.path} is committed already\n{where}"
    lines = [
        f"{tally.rows} images: planned {tally.planned} = "
        f"written {tally.written} + dead {tally.dead}; passed {tally.passed}"
    ]
    if tally.dead:
        lines.append(f"dead letters, {tally.commonest()}")
    return "\n".join([*lines, where])


def plan_table(estimate: Estimate) -> Table:
    """What a run would do, as a table with sample prompts."""
    table = Table(title="plan", show_header=False, title_justify="left")
    for name, value in estimate.facts():
        table.add_row(name, value)
    for sample in estimate.samples:
        table.add_row("for example", f"{sample.source_prompt!r} → {sample.target_prompt!r}")
    return table
