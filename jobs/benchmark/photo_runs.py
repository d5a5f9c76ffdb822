"""Whole runs on Ray over large JPEGs: CPU, memory and bytes an edit, beside the same of tiny ones.

The model is a stand-in that finds a disc and paints it; its masks are not fitted, for that is done
where the model is. What Ray, the imports and the stand-in take is that of an equal run on photos of
64 pixels, which is left out of every figure. Linux alone.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jobs.benchmark.memory import watched
from jobs.benchmark.photos import floors, jpeg, over_floors
from jobs.benchmark.runs import go, shards, stand_in
from jobs.benchmark.standin import Config as StandIn
from pipeline.config import RunConfig

TINY = 64
MIXED = 0
"""As a side: of 100 to 8,000 pixels."""


def measure(sides: Sequence[int], images: int, targets: int, cpus: int) -> dict[str, Any]:
    """A row a side: `images` photos, each in `targets` colours, by one actor of `cpus`."""
    with tempfile.TemporaryDirectory(prefix="diffedit-") as name:
        folder = Path(name)
        rows = [_row(folder, side, images, targets, cpus) for side in sides]
    return {"rows": rows, "targets": targets, "edit": "recolor", "CPUs of the actor": cpus}


def _row(folder: Path, side: int, images: int, targets: int, cpus: int) -> dict[str, Any]:
    pictures, count = _mixed(images) if side == MIXED else [jpeg(side)], images
    read = sum(len(pictures[i % len(pictures)]) for i in range(count))
    base = _run(folder / f"{side}-base", [jpeg(TINY)], count, targets, cpus)
    run = _run(folder / f"{side}", pictures, count, targets, cpus)
    edits = count * targets
    cpu = (run["CPU s"] - base["CPU s"]) / edits
    return {
        "side": side or "100 to 8,000",
        "edits": edits,
        "CPU s": cpu,
        "base CPU s": base["CPU s"] / edits,
        **over_floors(cpu, floors(pictures, targets)),
        "private MiB": run["private MiB"] - base["private MiB"],
        "base MiB": base["private MiB"],
        "store MiB": run["store MiB"],
        "Parquet / source": run["edits"] / targets / read,
        "with tar": (run["edits"] + run["webdataset"]) / targets / read,
        "no source": _without_source(run, read, count, targets) / targets / read,
    }


def _run(
    folder: Path, pictures: Sequence[bytes], count: int, targets: int, cpus: int
) -> dict[str, Any]:
    config = _config(folder, pictures, count, targets, cpus)
    with watched() as peaks:
        tally = go(config)
    assert tally.written == count * targets, "not every edit was written"
    out = Path(config.output.path)
    sizes = {
        kind: sum(file.stat().st_size for file in (out / kind).iterdir())
        for kind in ("edits", "webdataset")
    }
    return {"CPU s": peaks.cpu, "private MiB": peaks.private, "store MiB": peaks.store, **sizes}


def _config(
    folder: Path, pictures: Sequence[bytes], count: int, targets: int, cpus: int
) -> RunConfig:
    source = shards(folder / "in", pictures, count, count)
    named = {f"blue{n}": f"a blue mug {'!' * n}" for n in range(targets)}
    return stand_in(
        source,
        folder / "out",
        StandIn(paints=True),
        input={"max_pixels": 10**8},
        prompts={"targets": named},
        mask={"refine": 0},  # which the model's device does
        edit={"paste_back": "recolor"},
        check={"scores": ["background_psnr", "edit_change"]},
        run={"chunk_rows": 32, "cpus_per_actor": cpus},
    )


def _without_source(run: dict[str, Any], read: int, count: int, targets: int) -> float:
    """Bytes less the sources: once an image in the Parquet, once an edit in the tar."""
    return run["edits"] + run["webdataset"] - read - targets * read


def _mixed(count: int) -> list[bytes]:
    """Sides spread evenly by their logarithm, in a fixed disorder."""
    sides = np.geomspace(100, 8000, count).astype(int)
    np.random.default_rng(0).shuffle(sides)
    return [jpeg(int(side)) for side in sides]
