"""Measures this package. Each mode prints a table; `--json FILE` writes the same as JSON.

python jobs/benchmark.py engine     DiffEdit here against diffusers' own pipeline
python jobs/benchmark.py startup    from a new process to the first edit
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import benchmark_engine
import typer
from rich.console import Console
from rich.table import Table

app = typer.Typer(add_completion=False, help=__doc__, rich_markup_mode=None)
JsonFile = Annotated[Path | None, typer.Option("--json", help="Write the results here too.")]
Device = Annotated[str, typer.Option(help="cpu, cuda, cuda:1 …; auto: cuda where there is one.")]


@app.command()
def engine(
    model: Annotated[str, typer.Option(help="A model folder or id.")] = "demo",
    arch: Annotated[
        str, typer.Option(help="sd15: Stable Diffusion 1.5's architecture, random weights.")
    ] = "",
    width: Annotated[int, typer.Option(help="Channels of that UNet's first level.")] = 320,
    device: Device = "auto",
    dtype: Annotated[str, typer.Option(help="auto, float32, bfloat16 or float16.")] = "auto",
    images: Annotated[int, typer.Option(help="Pictures a call of ours edits.")] = 8,
    steps: Annotated[int, typer.Option(help="DDIM steps, on both sides.")] = 50,
    rounds: Annotated[int, typer.Option(help="Each row's time is the median of so many.")] = 3,
    batches: Annotated[str, typer.Option(help="Batch sizes the reference is tried at.")] = "1,4",
    json_file: JsonFile = None,
) -> None:
    """Seconds and evaluations an edit, the reference's and ours, at equal settings."""
    made = benchmark_engine.load(model, arch, width, device, dtype)
    sizes = sorted({1, *(int(size) for size in batches.split(","))})
    report = benchmark_engine.compare(made, images, steps, rounds, sizes)
    _show(report, json_file)


@app.command()
def startup(
    model: Annotated[str, typer.Option(help="A model folder or id.")] = "demo",
    device: Device = "auto",
    json_file: JsonFile = None,
) -> None:
    """Seconds to import, to load the model, and to the first edit, in a process of its own."""
    _show(benchmark_engine.startup(model, device), json_file)


def _show(report: dict[str, Any], json_file: Path | None) -> None:
    table = Table(*report["rows"][0])
    for row in report["rows"]:
        table.add_row(*(f"{v:.4g}" if isinstance(v, float) else str(v) for v in row.values()))
    console = Console()
    console.print(table)
    for name, value in report.items():
        if name != "rows":
            console.print(
                f"{name}: {value:.4g}" if isinstance(value, float) else f"{name}: {value}"
            )
    if json_file is not None:
        json_file.parent.mkdir(parents=True, exist_ok=True)
        json_file.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    app()
