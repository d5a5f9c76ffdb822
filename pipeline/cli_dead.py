"""The commands on dead letters: `dead list`, `show`, `replay`. Knows no stage."""

from __future__ import annotations

from typing import Annotated

import typer

from pipeline.errors import UsageError
from pipeline.terminal import Endpoint, Folder, Json, Overrides, answering, console, tell

app = typer.Typer(no_args_is_help=True, help="The dead letters of an output.")


@app.command("list")
def dead_list(folder: Folder, endpoint_url: Endpoint = None, as_json: Json = False) -> None:
    """How many dead letters there are, by stage and kind, with an example of each."""
    from pipeline.progress import dead_json, dead_table
    from pipeline.sinks import dead as letters
    from pipeline.sinks.output import existing_output

    problems: list[str] = []
    with answering(as_json) as answer:
        names = ["error_stage", "error_kind", "key", "error_message"]
        found = letters.read(existing_output(folder, endpoint_url), problems)
        told = [table.select(names) for table in found]
        console.print(dead_table(told))
        tell(problems)
        answer |= {**dead_json(told), "problems": problems}
    if problems:
        raise typer.Exit(1)


@app.command("show")
def dead_show(
    folder: Folder,
    key: Annotated[str, typer.Argument(help="Key of the row, as `dead list` prints it.")],
    endpoint_url: Endpoint = None,
) -> None:
    """Every column of a row's dead letters, as JSON; the image as its size."""
    from pipeline.progress import letter
    from pipeline.sinks import dead as letters
    from pipeline.sinks.output import existing_output

    found = [
        row
        for table in letters.read(existing_output(folder, endpoint_url))
        for row in table.to_pylist()
        if row["key"] == key
    ]
    if not found:
        raise UsageError(f"{folder}: no dead letter of a row with the key {key!r}")
    for row in found:
        print(letter(row))


@app.command("replay")
def dead_replay(
    folder: Folder,
    overrides: Overrides = None,
    kind: Annotated[list[str] | None, typer.Option(help="Only letters of this kind.")] = None,
    endpoint_url: Endpoint = None,
) -> None:
    """Run dead letters again after a fix, into the same output, still exactly once.

    Example: diffedit dead replay out/edits input.max_pixels=200000000 --kind too_large
    """
    from pipeline.engine.replay import replay
    from pipeline.progress import counts, progress
    from pipeline.sinks.output import existing_output
    from pipeline.sinks.replay import unreadable

    with progress(console) as watch:
        tally = replay(folder, endpoint_url, overrides or [], kind or [], watch)
    stay = unreadable(existing_output(folder, endpoint_url))
    said = counts(tally) if tally.chunks else "no dead letter to run again"
    if stay:
        said += (
            f"\nletters of the stage read that stay: {stay}; what could not be read is not in "
            "them, so mend the shard, give it another name and run again"
        )
    console.print(said, markup=False, soft_wrap=True)
