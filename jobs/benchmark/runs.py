"""Datasets to run on, configs with a stand-in model, and what commit records tell of a run."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from jobs.benchmark.standin import Config as StandIn
from pipeline.config import RunConfig
from pipeline.config_file import parse
from pipeline.demo.scenes import Scene
from pipeline.engine.run import run
from pipeline.engine.tally import Tally
from pipeline.sinks import layout
from pipeline.sinks.commits import Commit

CAPTION = "a red mug"


@dataclass(frozen=True)
class Committed:
    """One commit record of a local output, and when it was written."""

    at: float
    commit: Commit


def committed(output: Path) -> list[Committed]:
    """Every record of a local output folder, in the order in which they were written."""
    files = list((output / layout.COMMITS).rglob("*.json"))
    made = [Committed(f.stat().st_mtime, Commit.model_validate_json(f.read_text())) for f in files]
    return sorted(made, key=lambda one: one.at)


def go(config: RunConfig, local: bool = False) -> Tally:
    """A whole run without a screen."""
    return run(config, local=local, verbose=False, watch=lambda _: None)


def stand_in(source: Path, output: Path, model: StandIn, **sections: Any) -> RunConfig:
    """A config of one edit an image by `model`, one shard a task, no scores."""
    raw: dict[str, Any] = {
        "input": {"type": "webdataset", "path": str(source)},
        "output": {"path": str(output)},
        "prompts": {"type": "template", "targets": {"blue": "a blue mug"}},
        "model": {"type": "stable_diffusion"},
        "mask": {"noise_maps": 1},
        "edit": {"steps": 1},
        "check": {"scores": []},
        "run": {"chunk_rows": 8, "cpus_per_actor": 1},
    }
    for name, section in sections.items():
        raw[name] = {**raw.get(name, {}), **section}
    return parse(raw).model_copy(update={"model": model})


def drawn(count: int, side: int) -> list[bytes]:
    """JPEGs of `count` drawn scenes."""
    return [_encoded(Scene.draw(seed).render(side), "JPEG") for seed in range(count)]


def noise(side: int) -> bytes:
    """A PNG that compresses worst: about 3 bytes a pixel."""
    pixels = np.random.default_rng(0).integers(0, 256, (side, side, 3)).astype(np.uint8)
    return _encoded(Image.fromarray(pixels), "PNG")


def shards(folder: Path, images: Sequence[bytes], rows: int, per_shard: int) -> Path:
    """WebDataset tars of `rows` captioned samples, which take `images` by turns."""
    folder.mkdir(parents=True)
    for first in range(0, rows, per_shard):
        with tarfile.open(folder / f"{first // per_shard:05d}.tar", "w") as tar:
            for number in range(first, min(first + per_shard, rows)):
                for name, data in _members(number, images[number % len(images)]):
                    member = tarfile.TarInfo(name)
                    member.size = len(data)
                    tar.addfile(member, io.BytesIO(data))
    return folder


def _members(number: int, image: bytes) -> Iterator[tuple[str, bytes]]:
    ending = "png" if image.startswith(b"\x89PNG") else "jpg"
    yield f"{number:06d}.{ending}", image
    yield f"{number:06d}.txt", CAPTION.encode()


def _encoded(picture: Image.Image, kind: str) -> bytes:
    sink = io.BytesIO()
    picture.save(sink, kind)
    return sink.getvalue()
