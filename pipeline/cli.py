"""`diffedit`: the commands a person types. Imports late, to start fast; knows no stage."""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from pipeline import cli_dead, cli_model, cli_output, cli_plan, cli_shop, config_file, process
from pipeline.config import RunConfig
from pipeline.errors import RunError, UsageError
from pipeline.evaluation import names as protocols
from pipeline.terminal import (
    Endpoint,
    Folder,
    Json,
    Overrides,
    answering,
    complaints,
    console,
    print_line,
    tell,
)

app = typer.Typer(
    name="diffedit",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,
    help="DiffEdit for whole datasets: edit every captioned image of a dataset by text.\n\n"
    "Exit codes: 0 done, 1 failed, 2 bad config or usage, 3 too many dead letters, "
    "130 interrupted (the same command resumes).",
)

ConfigFile = Annotated[Path, typer.Argument(help="YAML config of the run.", metavar="CONFIG")]
Verbose = Annotated[bool, typer.Option("-v", "--verbose", help="Show Ray's own messages.")]


@app.command()
def run(
    config: ConfigFile,
    overrides: Overrides = None,
    local: Annotated[bool, typer.Option(help="In this process, without Ray.")] = False,
    log: Annotated[bool, typer.Option("--log", help="Lines of progress, no live bar.")] = False,
    verbose: Verbose = False,
    as_json: Json = False,
) -> None:
    """Edit the dataset. Run again after any stop: what is committed is not done twice.

    Example: diffedit run configs/demo.yaml output.path=s3://bucket/out run.actors=8
    """
    from pipeline.engine.columns import column_notes
    from pipeline.engine.run import run as run_config
    from pipeline.models.facts import FEW_STEPS, is_few_step
    from pipeline.progress import Log, progress, summary, tally_json

    with answering(as_json) as answer:
        settings = config_file.load(config, overrides or [])
        if is_few_step(settings.model):
            console.print(f"warning {FEW_STEPS}", markup=False, soft_wrap=True)
        bar = nullcontext(Log(print_line)) if log else progress(console)
        with process.last_word(), bar as watch:
            tally = run_config(settings, local=local, verbose=verbose, watch=watch)
        console.print(summary(settings, tally), markup=False, soft_wrap=True)
        for note in column_notes(settings):
            console.print(note, markup=False, soft_wrap=True)
        answer |= {"output": settings.output.path, **tally_json(tally)}


@app.command()
def plan(
    config: ConfigFile,
    overrides: Overrides = None,
    gpu: Annotated[str | None, typer.Option(help="Hours on one: h100, a100, l4 …")] = None,
    price: Annotated[float | None, typer.Option(help="Of an hour of it.", min=0)] = None,
    measure: Annotated[bool, typer.Option("--measure", help="Edit a few images here.")] = False,
    as_json: Json = False,
) -> None:
    """Show what a run would do: shards, rows, edits, sample prompts, UNet evaluations, cost.

    Example: diffedit plan configs/demo.yaml --gpu h100 --price 2.99
    """
    from pipeline.engine.estimate import estimate
    from pipeline.models.facts import facts
    from pipeline.progress import plan_table

    with answering(as_json) as answer:
        settings = config_file.load(config, overrides or [])
        if price is not None and not (gpu or measure):
            raise UsageError("--price: of which hours? give --gpu or --measure too")
        expected = estimate(settings)
        costs = cli_plan.costs(settings, expected, gpu, price, measure)
        console.print(plan_table(expected, [*facts(settings.model), *costs.facts]))
        answer |= {**expected.numbers(), **costs.numbers}


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
        sheet(config_file.load(config, overrides or []), number).save(out)
    console.print(f"contact sheet: {out}")


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
def report(
    folder: Folder,
    edits: Annotated[int, typer.Option(help="About how many edits to show.", min=1)] = 60,
    endpoint_url: Endpoint = None,
) -> None:
    """Write report.html into an output: counts, histograms, edits to decide on, dead letters."""
    from pipeline.report import write_report
    from pipeline.sinks.output import existing_output

    problems: list[str] = []
    with console.status("reading the manifests …"):
        path = write_report(existing_output(folder, endpoint_url), problems, edits)
    tell(problems)
    console.print(f"report: {path}", markup=False, soft_wrap=True)
    if problems:
        raise typer.Exit(1)


for command in (cli_shop.init, cli_shop.review, cli_shop.export, cli_output.verify):
    app.command()(command)
app.command("runs")(cli_output.runs)
app.command("recheck")(cli_output.recheck)
app.command("import-model")(cli_model.import_model)


@app.command("config")
def config_(
    file: Annotated[Path | None, typer.Argument(help="Config to check.", metavar="CONFIG")] = None,
    overrides: Overrides = None,
    schema: Annotated[bool, typer.Option("--schema", help="Print the JSON schema.")] = False,
) -> None:
    """Check a config and print it with every default filled in; or print the schema."""
    if schema:
        print(json.dumps(config_file.schema(), indent=2))
        return
    if file is None:
        raise typer.BadParameter("give a CONFIG to check, or --schema")
    import yaml

    settings = config_file.load(file, overrides or [])
    print(yaml.safe_dump(settings.model_dump(mode="json"), sort_keys=False), end="")


demo = typer.Typer(no_args_is_help=True, help="The embedded scenes of known truth.")
app.add_typer(demo, name="demo")


@app.command()
def evaluate(
    protocol: Annotated[str, typer.Argument(help=f"One of: {', '.join(protocols())}.")],
    output: Annotated[Path, typer.Option(help="Folder for edits, scores and tables.")],
    config: Annotated[list[str] | None, typer.Argument(metavar="[CONFIG] [KEY=VALUE]")] = None,
    data: Annotated[Path | None, typer.Option(help="The benchmark as downloaded.")] = None,
    rows: Annotated[int | None, typer.Option(help="Only the first N (scenes: 24).", min=1)] = None,
    reference_rows: Annotated[int, typer.Option(help="diffusers edits N too.", min=0)] = 0,
    weights: Annotated[list[str] | None, typer.Option(help="NAME=PLACE of a network.")] = None,
    strict: Annotated[bool, typer.Option(help="Exit 2 where a network's weights lack.")] = False,
    given_masks: Annotated[bool, typer.Option(help="Give the editor the truth's masks.")] = False,
    edits: Annotated[Path | None, typer.Option(help="Score ID.png of this folder instead.")] = None,
    side: Annotated[int, typer.Option(help="Pixels of drawn scenes.", min=32, max=4096)] = 128,
    local: Annotated[bool, typer.Option(help="In this process, without Ray.")] = False,
    verbose: Verbose = False,
) -> None:
    """Edit and score a benchmark, or drawn scenes; write metrics, tables, a page of cases.

    CONFIG may leave out input, prompts and output. Masks serve the scores alone, but
    with --given-masks. Example:
    diffedit evaluate pie_bench configs/folder.yaml --data PIE-Bench --output out/pie
    """
    from pipeline.engine.run import run as run_config
    from pipeline.evaluation import _evaluate
    from pipeline.progress import progress

    def edit(settings: RunConfig) -> None:
        with progress(console) as watch:
            run_config(settings, local=local, verbose=verbose, watch=watch)

    more = {"rows": rows, "reference_rows": reference_rows, "strict": strict, "edits": edits}
    more["given_masks"] = given_masks
    job = _evaluate.Job.of(protocol, output, data, side, config or [], weights or [], **more)
    with process.last_word():
        table = _evaluate.evaluate(job, edit, _tracked)
    console.print(table, markup=False, soft_wrap=True)
    console.print(f"metrics, tables, edits and a page: {output}", markup=False, soft_wrap=True)


def _tracked(items: Iterable[Any], total: int, what: str) -> Iterable[Any]:
    from rich.progress import track

    return track(items, what, total, console=console, transient=True)


app.add_typer(cli_dead.app, name="dead")


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
    process.speak_anywhere()
    signal.signal(signal.SIGTERM, process.interrupt)
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # not where nohup ignores it
        signal.signal(signal.SIGINT, process.interrupt)
    try:
        # Without its standalone mode, Typer returns the code of a typer.Exit.
        sys.exit(app(standalone_mode=False))
    except RunError as error:
        _complain(str(error))
        sys.exit(error.exit_code)
    except OSError as error:
        if not process.cannot_print(error):
            raise
        sys.exit(1)
    except (KeyboardInterrupt, typer.Abort):
        _complain("interrupted")
        sys.exit(130)
    except Exception as error:
        _click_error(error)


def _click_error(error: Exception) -> None:
    show: Callable[[], None] | None = getattr(error, "show", None)
    if show is None:
        raise error
    show()
    sys.exit(2)


def _complain(message: str) -> None:
    for line in message.splitlines():
        complaints.print(f"[bold red]error[/] {escape(line)}", soft_wrap=True, highlight=False)
