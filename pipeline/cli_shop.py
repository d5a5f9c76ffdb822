"""The commands from a feed to the shop: `init`, `review`, `export`. Knows no stage."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipeline.terminal import Endpoint, Folder, console

if TYPE_CHECKING:
    from pipeline.export.plan import Item


class Use(StrEnum):
    """What a run is for."""

    recolour = "recolour"
    counterfactual = "counterfactual"


def init(
    source: Annotated[
        str, typer.Argument(help="Folder, file, glob, s3:// or hf://.", metavar="INPUT")
    ],
    use: Annotated[Use, typer.Option(help="What the edits are for.")] = Use.recolour,
    model: Annotated[str, typer.Option(help="As model.path in a config.")] = "demo",
    endpoint_url: Endpoint = None,
) -> None:
    """Look at the data and print a config for it, with what was guessed as comments.

    Example: diffedit init pictures/ > run.yaml
    """
    from pipeline.init.look import look
    from pipeline.init.write import to_yaml

    print(to_yaml(look(source, endpoint_url), use.value, model), end="")


def review(
    folder: Folder,
    decisions: Annotated[Path, typer.Argument(help="What the report page saved.")],
    endpoint_url: Endpoint = None,
) -> None:
    """Store what was decided on the report page, beside the commits. Later reviews win."""
    from pipeline.sinks import edits, reviews
    from pipeline.sinks.output import existing_output

    output = existing_output(folder, endpoint_url)
    given = reviews.load(decisions)
    with console.status("reading the edits …"):
        known = edits.ids(output)
    said, unknown = reviews.store(output, given, known)
    told = ", ".join(f"{said[name]} {name}" for name in ("approved", "rejected", "undecided"))
    console.print(f"review: {told}", highlight=False)
    if unknown:
        console.print(f"of edits that are not there (any more): {unknown}, left out")
    now = reviews.verdicts(output)
    counts = [sum(verdict == name for verdict in now.values()) for name in ("approved", "rejected")]
    console.print(
        f"now decided: {len(now)} of {len(known)} edits, {counts[0]} approved, "
        f"{counts[1]} rejected",
        highlight=False,
    )


def export(
    folder: Folder,
    out: Annotated[Path, typer.Argument(help="Local folder for the files.", metavar="OUT")],
    name: Annotated[
        str,
        typer.Option(
            help="File names; fields: input columns, id, key, edit. Ends in .jpg, .png or .webp."
        ),
    ] = "{key}_{edit}.jpg",
    approved: Annotated[bool, typer.Option("--approved", help="Only approved edits.")] = False,
    size: Annotated[
        int | None, typer.Option(help="Longest side, pixels.", min=8, max=16000)
    ] = None,
    canvas: Annotated[str | None, typer.Option(help="Width and height, as 1000x1000.")] = None,
    background: Annotated[
        str | None, typer.Option(help='Below cut-outs, as white, "#fff".')
    ] = None,
    max_kb: Annotated[int | None, typer.Option(help="At most so many kB a file.", min=1)] = None,
    enlarge: Annotated[bool, typer.Option("--enlarge", help="Smaller pictures, too.")] = False,
    endpoint_url: Endpoint = None,
) -> None:
    """Write the edits as plain files, with manifest.csv. Again: what is there is left. Exit 1 if
    any is left out.

    Example: diffedit export out/edits shop --approved --name '{sku}_{edit}.jpg' --canvas 1000x1000
    """
    from pipeline.export.names import Template
    from pipeline.export.picture import Look
    from pipeline.export.run import export as write_files
    from pipeline.export.run import lines
    from pipeline.sinks.output import existing_output

    template = Template.parse(name)
    look = Look.parse(template.format, size, canvas, background, max_kb, enlarge)
    told = write_files(existing_output(folder, endpoint_url), out, template, look, approved, _track)
    for line in lines(told):
        console.print(line, markup=False, soft_wrap=True, highlight=False)
    console.print(f"export: {out}", markup=False, soft_wrap=True)
    if told.plan.left_out:
        raise typer.Exit(1)


def _track(items: Iterable[Item], total: int) -> Iterable[Item]:
    from rich.progress import track

    return track(items, "exporting", total, console=console, transient=True)
