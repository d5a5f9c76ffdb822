"""Measures this package. Each mode prints a table and its ratios, all of one run; `--json FILE`
writes the same as JSON. Ratios are what to read: they hold on a slow or shared machine.

\b
python -m jobs.benchmark engine     DiffEdit here against diffusers' own pipeline
python -m jobs.benchmark passes     the network's rows a second by how many a pass holds
python -m jobs.benchmark startup    from a new process to the first edit
python -m jobs.benchmark pipeline   a whole run on Ray against the bare engine
python -m jobs.benchmark io         reading and writing against img2dataset and webdataset
python -m jobs.benchmark scaling    1, 2, 4, 8 actors whose device is a fixed sleep
python -m jobs.benchmark memory     the memory of a run on N images and on 4 N
python -m jobs.benchmark photos     CPU and bytes of a large JPEG's edits, outside of the model
python -m jobs.benchmark photo-runs whole runs on large JPEGs: CPU, memory and bytes
python -m jobs.benchmark resume     the state of a run of 400 million rows
python -m jobs.benchmark verdict    the share of right edits that the model's own verdict keeps
python -m jobs.benchmark tries      the share of right edits of the best of several tries
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from jobs.benchmark.table import show

app = typer.Typer(add_completion=False, help=__doc__, rich_markup_mode=None, no_args_is_help=True)
JsonFile = Annotated[Path | None, typer.Option("--json", help="Write the results here too.")]
Device = Annotated[str, typer.Option(help="cpu, cuda, cuda:1 …; auto: cuda where there is one.")]
Model = Annotated[str, typer.Option(help="A model folder or id.")]
Dtype = Annotated[str, typer.Option(help="auto, float32, bfloat16 or float16.")]
Compile = Annotated[bool, typer.Option("--compile", help="Ours with model.compile.")]
ChunkRows = Annotated[int, typer.Option(help="Images a chunk.", min=1)]


@app.command()
def engine(
    model: Model = "demo",
    arch: Annotated[
        str, typer.Option(help="sd15, sdxl, sd35, flux or z_image: that one, random weights.")
    ] = "",
    width: Annotated[int, typer.Option(help="320: its true size; else a small one.")] = 320,
    device: Device = "auto",
    dtype: Dtype = "auto",
    compile: Compile = False,
    images: Annotated[int, typer.Option(help="Pictures a call of ours edits; a run's chunk.")] = 32,
    steps: Annotated[int, typer.Option(help="DDIM steps, on both sides.")] = 50,
    rounds: Annotated[int, typer.Option(help="Each row's time is the median of so many.")] = 3,
    batches: Annotated[str, typer.Option(help="Batch sizes the reference is tried at.")] = "1,8,32",
    json_file: JsonFile = None,
) -> None:
    """Seconds and evaluations an edit, the reference's and ours, at equal settings."""
    from jobs.benchmark import engine as mode

    made = mode.load(model, arch, width, device, dtype, compile)
    sizes = sorted({1, *_numbers(batches)})
    show(mode.compare(made, images, steps, rounds, sizes), json_file)


@app.command()
def passes(
    model: Model = "demo",
    device: Device = "auto",
    dtype: Dtype = "auto",
    compile: Compile = False,
    rows: Annotated[str, typer.Option(help="Rows of a pass.")] = "2,8,16,32,64,128",
    json_file: JsonFile = None,
) -> None:
    """Rows a second of the network, by how many rows a pass holds (model.micro_batch)."""
    from jobs.benchmark import engine as mode

    made = mode.load(model, "", 320, device, dtype, compile)
    show(mode.passes(made, _numbers(rows)), json_file)


@app.command()
def startup(
    model: Model = "demo",
    device: Device = "auto",
    compile: Compile = False,
    json_file: JsonFile = None,
) -> None:
    """Seconds to import, to load the model, and to the first edit, in a process of its own."""
    from jobs.benchmark import engine as mode

    show(mode.startup(model, device, compile), json_file)


@app.command()
def pipeline(
    model: Model = "demo",
    images: Annotated[int, typer.Option(help="Drawn scenes to edit.", min=2)] = 384,
    steps: Annotated[int, typer.Option(help="DDIM steps.", min=1)] = 50,
    chunk_rows: ChunkRows = 32,
    json_file: JsonFile = None,
) -> None:
    """Images a second of a whole run on Ray, and of the engine alone on the same chunks."""
    from jobs.benchmark import pipeline as mode

    show(mode.measure(images, chunk_rows, model, steps), json_file)


@app.command()
def io(
    images: Annotated[int, typer.Option(help="JPEGs to read.", min=64)] = 512,
    side: Annotated[int, typer.Option(help="Their side, pixels.", min=64)] = 512,
    img2dataset: Annotated[str, typer.Option(help="Its command, if it is installed.")] = "",
    json_file: JsonFile = None,
) -> None:
    """Rows a second and core without a model: read, an edit that changes nothing, write."""
    from jobs.benchmark import read_write

    show(read_write.measure(images, side, img2dataset), json_file)


@app.command()
def scaling(
    actors: Annotated[str, typer.Option(help="Numbers of actors; ratio: last to first.")] = "1,8",
    nap: Annotated[float, typer.Option(help="Seconds that the device takes an image.")] = 1.0,
    chunk_rows: ChunkRows = 4,
    chunks: Annotated[int, typer.Option(help="Chunks for each actor.", min=1)] = 15,
    json_file: JsonFile = None,
) -> None:
    """Images a second of several actors that sleep, against as many times one actor's."""
    from jobs.benchmark import scaling as mode

    show(mode.measure(_numbers(actors), nap, chunk_rows, chunks), json_file)


@app.command()
def memory(
    images: Annotated[int, typer.Option(help="N: pictures of noise.", min=1)] = 384,
    side: Annotated[int, typer.Option(help="Their side, pixels.", min=64)] = 592,
    chunk_rows: ChunkRows = 8,
    json_file: JsonFile = None,
) -> None:
    """Peak memory of all processes of a run on N pictures and on 4 N."""
    from jobs.benchmark import memory as mode

    show(mode.measure(images, side, chunk_rows), json_file)


@app.command()
def photos(
    sides: Annotated[str, typer.Option(help="Of square photos, pixels.")] = "512,1600,3000,6000",
    targets: Annotated[int, typer.Option(help="Edits of a photo.", min=1)] = 8,
    rounds: Annotated[int, typer.Option(help="Each time is the median of so many.", min=1)] = 3,
    json_file: JsonFile = None,
) -> None:
    """CPU seconds an edit by step outside of the model, and bytes written over the source's."""
    from jobs.benchmark import photos as mode

    show(mode.measure(_numbers(sides), targets, rounds), json_file)


@app.command()
def photo_runs(
    sides: Annotated[str, typer.Option(help="Of square photos; 0: 100 to 8,000, mixed.")] = "3000",
    images: Annotated[int, typer.Option(help="Photos a run.", min=1)] = 16,
    targets: Annotated[int, typer.Option(help="Edits of a photo.", min=1)] = 8,
    cpus: Annotated[int, typer.Option(help="CPUs of the actor.", min=1)] = 2,
    json_file: JsonFile = None,
) -> None:
    """CPU seconds, peak memory and bytes an edit of whole runs, less those on tiny photos."""
    from jobs.benchmark import photo_runs as mode

    show(mode.measure(_numbers(sides), images, targets, cpus), json_file)


@app.command()
def resume(
    rows: Annotated[int, typer.Option(min=1)] = 400_000_000,
    shards: Annotated[int, typer.Option(min=1)] = 41_000,
    chunk_rows: ChunkRows = 32,
    committed: Annotated[float, typer.Option(min=0, max=1)] = 0.3,
    json_file: JsonFile = None,
) -> None:
    """The size of the commit state of a very large run, and the time to load and filter it."""
    from jobs.benchmark import resume as mode

    show(mode.measure(rows, shards, chunk_rows, committed), json_file)


@app.command()
def nights(
    pictures: Annotated[int, typer.Option(min=1)] = 10_000_000,
    folders: Annotated[int, typer.Option(min=1)] = 1_000,
    json_file: JsonFile = None,
) -> None:
    """The size of what is known of a large folder's pictures, and the time to load it."""
    from jobs.benchmark import nights as mode

    show(mode.measure(pictures, folders), json_file)


@app.command()
def verdict(
    model: Model = "demo",
    scenes: Annotated[int, typer.Option(help="Held-out scenes, three edits each.", min=2)] = 96,
    json_file: JsonFile = None,
) -> None:
    """The share of right edits of scenes in either half by model_verdict, by kind of edit."""
    from jobs.benchmark import verdict as mode

    show(mode.measure(model, scenes), json_file)


@app.command()
def augment(
    model: Model = "demo",
    scenes: Annotated[int, typer.Option(help="Of the data, two edits each.", min=8)] = 320,
    tests: Annotated[int, typer.Option(help="Scenes that are judged on.", min=32)] = 960,
    seeds: Annotated[int, typer.Option(help="Trainings of each kind.", min=1)] = 5,
    json_file: JsonFile = None,
) -> None:
    """A classifier's accuracy with and without counterfactuals, where data tie kind to colour."""
    from jobs.benchmark import augment as mode

    show(mode.measure(model, scenes, tests, seeds), json_file)


@app.command()
def tries(
    model: Model = "demo",
    scenes: Annotated[int, typer.Option(help="Held-out scenes, three edits each.", min=1)] = 48,
    number: Annotated[int, typer.Option("--tries", help="At each edit.", min=2)] = 4,
    json_file: JsonFile = None,
) -> None:
    """The share of right edits of scenes, of one try and of the best of several by its verdict."""
    from jobs.benchmark import tries as mode

    show(mode.measure(model, scenes, number), json_file)


def _numbers(text: str) -> list[int]:
    return [int(number) for number in text.split(",")]


if __name__ == "__main__":
    app()
