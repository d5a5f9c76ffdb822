"""Whether counterfactuals made here help a classifier that learns from a spurious tie.

In the data an object's kind goes with its colour, so a network may learn the colour in place of the
kind. Judged is on scenes where any kind has any colour. Trained on: the data; the data under colour
jitter; the data and its counterfactuals by a run of this pipeline, those that its filters keep, and
all; the data and the true counterfactuals of the same edits.
"""

from __future__ import annotations

import io
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import torch
from PIL import Image
from webdataset import TarWriter

from jobs.benchmark.classifier import Augment, Images, Labels, accuracy, any_hue, jittered, trained
from jobs.benchmark.runs import go
from pipeline.config import RunConfig
from pipeline.config_file import parse
from pipeline.demo.photos import HELD_OUT
from pipeline.demo.scenes import Scene

TIES = {
    "mug": ("red", "blue"),
    "shoe": ("green", "yellow"),
    "bag": ("purple", "orange"),
    "lamp": ("turquoise", "pink"),
}
KINDS = tuple(TIES)
COLOURS = tuple(colour for pair in TIES.values() for colour in pair)
FIRST = HELD_OUT + 2_000_000
"""Scenes that nothing was chosen on."""
SIDE, SEEN = 128, 64
"""Pixels of a photo, and of what the classifier sees."""
KEEP = {"mask_area": {"min": 0.02, "max": 0.5}, "edit_change": {"min": 2.0}}


@dataclass(frozen=True)
class Examples:
    """Pictures of the classifier's size, and what they show."""

    images: Images
    labels: Labels

    def __add__(self, other: Examples) -> Examples:
        both = (np.concatenate(pair) for pair in zip(self._both, other._both, strict=True))
        return Examples(next(both), next(both))

    @property
    def _both(self) -> tuple[Images, Labels]:
        return self.images, self.labels


def measure(model: str, scenes: int, tests: int, seeds: int) -> dict[str, Any]:
    """A row a training set: its size, and the accuracy over the seeds of the training."""
    torch.set_num_threads(1)
    tied, free = list(_tied(scenes)), list(_free(tests))
    with tempfile.TemporaryDirectory() as folder:
        kept, thrown, true = _edited(Path(folder), tied, model)
    data, judged = _examples(tied), _examples(free)
    sets: dict[str, tuple[Examples, Augment | None]] = {
        "(a) the data": (data, None),
        "(b) with colour jitter": (data, jittered),
        "(b*) with any hue": (data, any_hue),
        "(c) with counterfactuals, filtered": (data + kept, None),
        "(d) with counterfactuals, all": (data + kept + thrown, None),
        "(e) with true counterfactuals": (data + true, None),
    }
    rows = [_row(name, *these, judged, seeds) for name, these in sets.items()]
    by = {row["trained on"].split()[0]: row["accuracy"] for row in rows}
    way = {
        f"of the way from {low} to (e)": {
            name: (by[name] - by[low]) / (by["(e)"] - by[low]) if by["(e)"] > by[low] else None
            for name in ("(c)", "(d)")
        }
        for low in ("(b)", "(b*)")
    }
    return {"rows": rows, "chance": 1 / len(KINDS), **way}


def _tied(count: int) -> Iterator[Scene]:
    """Scenes whose kind goes with one of two colours."""
    for number in range(count):
        kind = KINDS[number % len(KINDS)]
        yield _scene(FIRST + number, kind, TIES[kind][number // len(KINDS) % 2])


def _free(count: int) -> Iterator[Scene]:
    """Scenes of any kind in any colour, equally often."""
    for number in range(count):
        kind = KINDS[number % len(KINDS)]
        yield _scene(FIRST + 500_000 + number, kind, COLOURS[number // len(KINDS) % len(COLOURS)])


def _scene(seed: int, kind: str, colour: str) -> Scene:
    return replace(Scene.draw(seed).edited(object=kind, colour=colour), companion=None)


def _edited(
    folder: Path, scenes: Sequence[Scene], model: str
) -> tuple[Examples, Examples, Examples]:
    """What a run's filters kept, what they rejected, and the truth of both."""
    (folder / "scenes").mkdir()
    with TarWriter(str(folder / "scenes" / "0.tar")) as tar:
        for number, scene in enumerate(scenes):
            tar.write({"__key__": f"{number:06}", "png": _png(scene), "txt": scene.caption})
    go(_config(folder, model), local=True)
    edits, rejected = (_rows(folder / "out" / name) for name in ("edits", "rejected"))
    truth = [scenes[int(row["key"])].edited(colour=row["target_word"]) for row in edits + rejected]
    return _made(scenes, edits), _made(scenes, rejected), _examples(truth)


def _config(folder: Path, model: str) -> RunConfig:
    return parse(
        {
            "input": {"type": "webdataset", "path": str(folder / "scenes")},
            "prompts": {"type": "attributes", "tables": {"colour": COLOURS}, "variants": 2},
            "model": {"type": "stable_diffusion", "path": model},
            "mask": {"noise_maps": 2},
            "edit": {"steps": 12, "paste_back": "recolor"},
            "check": {"scores": ["edit_change"], "keep": KEEP},
            "output": {"path": str(folder / "out"), "formats": ["parquet"]},
        }
    )


def _rows(folder: Path) -> list[dict[str, Any]]:
    columns = ["key", "target_word", "edited"]
    files = sorted(folder.glob("*.parquet")) if folder.is_dir() else []
    return [row for file in files for row in pq.read_table(file, columns=columns).to_pylist()]


def _made(scenes: Sequence[Scene], rows: Sequence[dict[str, Any]]) -> Examples:
    pictures = [Image.open(io.BytesIO(row["edited"]["bytes"])).convert("RGB") for row in rows]
    return _seen(pictures, [scenes[int(row["key"])] for row in rows])


def _examples(scenes: Sequence[Scene]) -> Examples:
    return _seen([scene.render(SIDE) for scene in scenes], scenes)


def _seen(pictures: Sequence[Image.Image], scenes: Sequence[Scene]) -> Examples:
    small = [np.asarray(p.resize((SEEN, SEEN), Image.Resampling.LANCZOS)) for p in pictures]
    labels = [KINDS.index(scene.thing.object) for scene in scenes]
    images = np.stack(small) if small else np.zeros((0, SEEN, SEEN, 3), np.uint8)
    return Examples(images, np.array(labels, np.int64))


def _row(
    name: str, train: Examples, augment: Augment | None, judged: Examples, seeds: int
) -> dict[str, Any]:
    from scipy.stats import t

    found = [
        accuracy(
            trained(train.images, train.labels, len(KINDS), seed, augment),
            judged.images,
            judged.labels,
        )
        for seed in range(seeds)
    ]
    half = (
        float(t.ppf(0.975, seeds - 1) * np.std(found, ddof=1) / seeds**0.5) if seeds > 1 else None
    )
    return {
        "trained on": name,
        "pictures": len(train.images),
        "accuracy": float(np.mean(found)),
        "± (95 %)": half,
    }


def _png(scene: Scene) -> bytes:
    sink = io.BytesIO()
    scene.render(SIDE).save(sink, "PNG")
    return sink.getvalue()
