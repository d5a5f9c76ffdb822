"""The commands on an output as it is: `verify`, `runs`, `recheck`. Knows no stage."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from pipeline.terminal import Endpoint, Folder, Json, Overrides, answering, console, tell


def verify(
    folder: Folder,
    endpoint_url: Endpoint = None,
    repair: Annotated[
        bool, typer.Option("--repair", help="First mend damaged records; nothing is deleted.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Check an output: every part opens, counts add up, checksums hold. Exit 1 if not."""
    from pipeline.sinks.lease import writing
    from pipeline.sinks.output import existing_output
    from pipeline.sinks.repair import repair as mended
    from pipeline.sinks.verify import verify as problems_of

    with answering(as_json) as answer:
        output = existing_output(folder, endpoint_url)
        if repair:
            with writing(output) as held:
                for line in mended(held):
                    console.print(f"repair {line}", markup=False, soft_wrap=True)
        with console.status("verifying …"):
            report = problems_of(output)
        tell(report.problems)
        for warning in report.warnings[:20]:
            console.print(f"warning {warning}", markup=False, soft_wrap=True)
        console.print(report.line())
        answer |= asdict(report)
    if report.problems:
        raise typer.Exit(1)


def runs(folder: Folder, endpoint_url: Endpoint = None, as_json: Json = False) -> None:
    """The runs into an output: when, how long, how many edits, how each ended."""
    from pipeline.progress import runs_table
    from pipeline.sinks.ledger import runs as kept
    from pipeline.sinks.output import existing_output

    with answering(as_json) as answer:
        entries = list(kept(existing_output(folder, endpoint_url)))
        console.print(runs_table(entries))
        answer |= {"runs": [entry.model_dump() for entry in entries]}


def recheck(
    folder: Folder,
    overrides: Overrides = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would move.")] = False,
    endpoint_url: Endpoint = None,
    as_json: Json = False,
) -> None:
    """Move edits between written and rejected by other bounds, from the scores they have.

    Nothing is edited again. Example: diffedit recheck out/edits check.keep.edit_change.min=3
    """
    from pipeline.keep import told
    from pipeline.sinks import bounds
    from pipeline.sinks.output import existing_output
    from pipeline.sinks.recheck import lines
    from pipeline.sinks.recheck import recheck as move

    with answering(as_json) as answer:
        output = existing_output(folder, endpoint_url)
        keep = bounds.changed(output, overrides or [])
        with console.status("rechecking …"):
            moved = move(output, keep, dry_run)
        for line in lines(moved, told(keep), dry_run):
            console.print(line, markup=False, soft_wrap=True, highlight=False)
        limits = {name: bound.model_dump() for name, bound in keep.items()}
        answer |= {"output": folder, "dry_run": dry_run, "keep": limits, **asdict(moved)}
