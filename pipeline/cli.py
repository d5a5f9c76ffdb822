"""`diffedit`: the commands a person types. Imports late, to start fast; knows no stage."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape

from pipeline import config as configs
from pipeline.errors import GOES_ON, RunError, UsageError

app = typer.Typer(
    name="diffedit",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,
    help="DiffEdit for whole datasets: edit every captioned image of a dataset by text.\n\n"
    "Exit codes: 0 done, 1 failed, 2 bad config or usage, 3 too many dead letters, "
    "130 interrupted (the same command resumes).",
)
console = Console()
complaints = Console(stderr=True)


class Protocol(StrEnum):
    """Of `evaluate`."""

    scenes = "scenes"


ConfigFile = Annotated[Path, typer.Argument(help="YAML config of the run.", metavar="CONFIG")]
Overrides = Annotated[
    list[str] | None, typer.Argument(help="key.path=value …, over the file.", metavar="[KEY=VALUE]")
]
Folder = Annotated[str, typer.Argument(help="Output folder or s3:// prefix.", metavar="DIR")]
Endpoint = Annotated[str | None, typer.Option(help="S3 server of an s3:// DIR; unset: AWS.")]
Verbose = Annotated[bool, typer.Option("-v", "--verbose", help="Show Ray's own messages.")]


@app.command()
def run(
    config: ConfigFile,
    overrides: Overrides = None,
    local: Annotated[bool, typer.Option(help="In this process, without Ray.")] = False,
    verbose: Verbose = False,
) -> None:
    """Edit the dataset. Run again after any stop: what is committed is not done twice.

    Example: diffedit run configs/demo.yaml output.path=s3://bucket/out run.actors=8
    """
    from pipeline.engine.run import run as run_config
    from pipeline.progress import progress, summary

    settings = configs.load(config, overrides or [])
    with _last_word(), progress(console) as watch:
        tally = run_config(settings, local=local, verbose=verbose, watch=watch)
    console.print(summary(settings, tally), markup=False, soft_wrap=True)


@app.command()
def plan(config: ConfigFile, overrides: Overrides = None) -> None:
    """Show what a run would do: shards, rows, edits, sample prompts, UNet evaluations."""
    from pipeline.engine.estimate import estimate
    from pipeline.models.facts import facts
    from pipeline.progress import plan_table

    settings = configs.load(config, overrides or [])
    console.print(plan_table(estimate(settings), facts(settings.model)))


@app.command()
def preview(
    config: ConfigFile,
    overrides: Overrides = None,
    number: Annotated[int, typer.Option("-n", help="How many images.", min=1)] = 8,
    out: Annotated[Path, typer.Option(help="PNG to write.")] = Path("preview.png"),
) -> None:
    """Edit a few images without Ray and write one contact sheet: source | mask | edit."""
    from pipeline.engine.preview import preview as sheet

    with console.status("loading the model and editing …"):
        sheet(configs.load(config, overrides or []), number).save(out)
    console.print(f"contact sheet: {out}")


@app.command()
def verify(folder: Folder, endpoint_url: Endpoint = None) -> None:
    """Check an output: every part opens, counts add up, checksums hold. Exit 1 if not."""
    from pipeline.sinks.output import existing_output
    from pipeline.sinks.verify import verify as problems_of

    with console.status("verifying …"):
        report = problems_of(existing_output(folder, endpoint_url))
    for problem in report.problems:
        complaints.print(f"[red]problem[/] {escape(problem)}", soft_wrap=True)
    console.print(report.line())
    if report.problems:
        raise typer.Exit(1)


@app.command()
def remove(
    folder: Folder,
    ids: Annotated[list[str], typer.Argument(help="Ids of edits or dead letters.", metavar="ID…")],
    endpoint_url: Endpoint = None,
) -> None:
    """Take edits or dead letters out for good, from every format. A resume leaves them out."""
    from pipeline.sinks.output import existing_output
    from pipeline.sinks.remove import remove as take_out

    with console.status("removing …"):
        removed, unknown = take_out(existing_output(folder, endpoint_url), ids)
    console.print(f"removed: {removed}")
    if unknown:
        raise UsageError("\n".join(f"{folder}: no edit or dead letter {name}" for name in unknown))


@app.command()
def report(folder: Folder, endpoint_url: Endpoint = None) -> None:
    """Write report.html into an output: counts, histograms, a gallery, dead letters by reason."""
    from pipeline.report import write_report
    from pipeline.sinks.output import existing_output

    with console.status("reading the manifests …"):
        path = write_report(existing_output(folder, endpoint_url))
    console.print(f"report: {path}", markup=False, soft_wrap=True)


@app.command("config")
def config_(
    file: Annotated[Path | None, typer.Argument(help="Config to check.", metavar="CONFIG")] = None,
    overrides: Overrides = None,
    schema: Annotated[bool, typer.Option("--schema", help="Print the JSON schema.")] = False,
) -> None:
    """Check a config and print it with every default filled in; or print the schema."""
    if schema:
        print(json.dumps(configs.schema(), indent=2))
        return
    if file is None:
        raise typer.BadParameter("give a CONFIG to check, or --schema")
    import yaml

    settings = configs.load(file, overrides or [])
    print(yaml.safe_dump(settings.model_dump(mode="json"), sort_keys=False), end="")


demo = typer.Typer(no_args_is_help=True, help="The embedded scenes of known truth.")
app.add_typer(demo, name="demo")


@app.command()
def evaluate(
    output: Annotated[Path, typer.Option(help="Folder for metrics.json and the table.")],
    protocol: Annotated[Protocol, typer.Option(help="What to measure on.")] = Protocol.scenes,
    rows: Annotated[int, typer.Option(help="How many held-out scenes.", min=2)] = 24,
    reference_rows: Annotated[
        int, typer.Option(help="Scenes for diffusers' own DiffEdit, which is slow.", min=0)
    ] = 8,
    model: Annotated[str, typer.Option(help="As model.path in a config.")] = "demo",
) -> None:
    """Measure the edits against the truth: drawn scenes whose mask and true edit are known.

    Writes metrics.json, table.md and sheet.png. Three edits a scene: colour, object, background.
    """
    from rich.progress import track

    from pipeline.demo.evaluate import evaluate as measure

    table = measure(
        output,
        rows,
        model,
        reference_rows=reference_rows,
        track=lambda edits, total, what: track(edits, what, total, console=console, transient=True),
    )
    console.print(table, soft_wrap=True)
    console.print(f"metrics, table and a sheet of edits: {output}", markup=False, soft_wrap=True)


dead = typer.Typer(no_args_is_help=True, help="The dead letters of an output.")
app.add_typer(dead, name="dead")


@dead.command("list")
def dead_list(folder: Folder, endpoint_url: Endpoint = None) -> None:
    """How many dead letters there are, by stage and kind, with an example of each."""
    from pipeline.progress import dead_table
    from pipeline.sinks import dead as letters
    from pipeline.sinks.output import existing_output

    console.print(dead_table(letters.read(existing_output(folder, endpoint_url))))


@dead.command("show")
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


@dead.command("replay")
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


class Format(StrEnum):
    """Of a dataset on disk."""

    webdataset = "webdataset"
    parquet = "parquet"
    folder = "folder"


@demo.command("make-data")
def make_data(
    out: Annotated[Path, typer.Argument(help="Folder to make.", metavar="OUT")],
    rows: Annotated[int, typer.Option(help="How many scenes.", min=1)] = 48,
    format: Annotated[Format, typer.Option(help="Of the dataset.")] = Format.webdataset,
    size: Annotated[int, typer.Option(help="Side in pixels.", min=32, max=4096)] = 128,
) -> None:
    """Draw product scenes as a captioned dataset; masks and true edits go to OUT-truth."""
    from pipeline.demo.make_data import make_data as make

    if out.exists() and any(out.iterdir()):
        console.print(f"{out} is there already; left as it is", soft_wrap=True)
        return
    with console.status(f"drawing {rows} scenes …"):
        truth = make(out, rows, format.value, size=size)
    console.print(f"{rows} captioned scenes: {out}, their truth: {truth}", soft_wrap=True)


def main() -> None:
    """Runs a command; a RunError is one line and its exit code, a bug is a traceback."""
    signal.signal(signal.SIGTERM, _interrupt)
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # not where nohup ignores it
        signal.signal(signal.SIGINT, _interrupt)
    try:
        # Without its standalone mode, Typer returns the code of a typer.Exit.
        sys.exit(app(standalone_mode=False))
    except RunError as error:
        _complain(str(error))
        sys.exit(error.exit_code)
    except (KeyboardInterrupt, typer.Abort):
        _complain("interrupted")
        sys.exit(130)
    except Exception as error:
        _click_error(error)


def _interrupt(*_: Any) -> None:
    """The first time ends the run in order; who asks again does not want to wait for that."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _stop_at_once)
    raise KeyboardInterrupt


def _stop_at_once(*_: Any) -> None:
    os._exit(130)


@contextmanager
def _last_word() -> Iterator[None]:
    """Where this process is ended mutely, by a kill, by Ray or by `_stop_at_once`, another says so.

    Ray ends a process at once, with no exception, when its raylet on the machine is gone.
    """
    said = (
        "error ended at once (by a second signal, a kill, or because Ray on this machine died); "
        f"{GOES_ON}"
    )
    # `read` fails where this end is closed without a line. Away from the terminal's signals.
    other = subprocess.Popen(  # noqa: S603 - a constant
        ["/bin/sh", "-c", 'read -r _ || echo "$0" >&2', said],
        stdin=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        yield
    finally:
        other.communicate(b"\n")


def _click_error(error: Exception) -> None:
    show: Callable[[], None] | None = getattr(error, "show", None)
    if show is None:
        raise error
    show()
    sys.exit(2)


def _complain(message: str) -> None:
    for line in message.splitlines():
        complaints.print(f"[bold red]error[/] {escape(line)}", soft_wrap=True, highlight=False)
