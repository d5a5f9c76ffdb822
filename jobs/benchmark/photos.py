"""What a JPEG's edits cost a CPU outside of the model, step by step, beside what any program pays.

The photo is a drawn scene with grain, the edit its true counterfactual at the model's size,
recoloured under a round mask that covers 30 % of it. Everything runs in one thread and is timed by
that thread's CPU clock, so other processes count little.
"""

from __future__ import annotations

import io
import math
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from PIL import Image

from pipeline.demo.scenes import Scene
from pipeline.images.alike import thumbnail
from pipeline.images.bucket import to_model
from pipeline.images.decode import decode
from pipeline.images.encode import encode_edited, encode_mask
from pipeline.images.original import Original
from pipeline.images.paste import paste_back
from pipeline.images.picture import Picture
from pipeline.images.splice import library
from pipeline.metrics._pair import Pair
from pipeline.stages.room import LARGE
from pipeline.stages.score import scored

MODEL_SIDE = 512
COVERED = 0.3
GPU_SECONDS = 0.2
"""What a model takes an edit on a GPU, for the CPUs that keep it busy."""
SCORES = ("background_psnr", "edit_change")


def measure(sides: Sequence[int], targets: int, rounds: int) -> dict[str, Any]:
    """A row a side: CPU seconds an edit, and bytes written over the source's."""
    torch.set_num_threads(1)
    rows = [_row(side, targets, rounds) for side in sides]
    return {"rows": rows, "targets": targets, "scores": ", ".join(SCORES), "edit": "recolor"}


def _row(side: int, targets: int, rounds: int) -> dict[str, Any]:
    data, edit, mask = _photo(side)
    photo = decode(data, side * side)
    seen = to_model(photo.rgb, (MODEL_SIDE, MODEL_SIDE))
    original = Original(data)
    pasted, area = paste_back(photo.rgb, edit, mask, "recolor", 0.02, None, seen)
    picture = Picture(pasted)
    file = encode_edited(picture, area, original, "source")
    once = {
        "decode": lambda: [decode(data, side * side) for _ in range(1 + (side**2 > LARGE))],
        "to model": lambda: to_model(photo.rgb, (MODEL_SIDE, MODEL_SIDE)),
        "blocks": lambda: Original(data).blocks,
    }
    each = {
        "paste back": lambda: paste_back(photo.rgb, edit, mask, "recolor", 0.02, None, seen),
        "encode": lambda: encode_edited(picture, area, original, "source"),
        "mask": lambda: encode_mask(file.mask),
        "thumbnail": lambda: thumbnail(picture, area),
        "scores": lambda: scored(SCORES, Pair(photo, picture, area, file.mask, held=True)),
    }
    spent = {name: _seconds(work, rounds) / targets for name, work in once.items()}
    spent |= {name: _seconds(work, rounds) for name, work in each.items()}
    total = sum(spent.values())
    written = len(file.data) + len(encode_mask(file.mask))
    sums = {"all": total, **over_floors(total, floors([data], targets, rounds))}
    shares = {"CPUs a GPU": total / GPU_SECONDS, "bytes / source's": written / len(data)}
    return {"side": side, **spent, **sums, **shares}


def _photo(side: int) -> tuple[bytes, torch.Tensor, torch.Tensor]:
    """A JPEG, its edit (3, h, w) in [-1, 1], and a soft mask (h, w)."""
    edited = Scene.draw(3).edited(colour="blue").render(MODEL_SIDE)
    axis = torch.linspace(-1, 1, MODEL_SIDE)
    radius = 2 * math.sqrt(COVERED / math.pi)
    mask = ((radius - torch.hypot(*torch.meshgrid(axis, axis, indexing="ij"))) * 40 + 0.5).clamp(
        0, 1
    )
    return jpeg(side), to_model(np.asarray(edited), (MODEL_SIDE, MODEL_SIDE)), mask


def jpeg(side: int) -> bytes:
    """A square photo of a drawn scene with grain."""
    smooth = Scene.draw(3).render(min(side, 750)).resize((side, side), Image.Resampling.BICUBIC)
    rgb = np.asarray(smooth).copy()
    draw = np.random.default_rng(0)
    for row in rgb:  # one at a time: a large photo's grain would take as much again
        row[:] = np.clip(row + draw.integers(-6, 7, row.shape, np.int16), 0, 255)
    sink = io.BytesIO()
    Image.fromarray(rgb).save(sink, "JPEG", quality=90)
    return sink.getvalue()


def floors(photos: Sequence[bytes], targets: int, rounds: int = 1) -> dict[str, float]:
    """CPU seconds an edit of a program that decodes once, and encodes and writes, by its library.

    Pillow's has vector code for all it does; jpeglib's, which writes our files because it copies
    coefficients, has none.
    """
    works = {"Pillow": _by_pillow, "jpeglib": _by_jpeglib}
    return {
        name: sum(_seconds(partial(work, photo, targets), rounds) for photo in photos)
        / (targets * len(photos))
        for name, work in works.items()
    }


def over_floors(seconds: float, floors: dict[str, float]) -> dict[str, float]:
    """Each floor, and how many times as long `seconds` are."""
    told = {f"floor, {name}": floor for name, floor in floors.items()}
    return told | {f"all / {name}": seconds / floor for name, floor in floors.items()}


def _by_pillow(data: bytes, targets: int) -> None:
    image = Image.open(io.BytesIO(data))
    image.load()
    for _ in range(targets):
        with tempfile.TemporaryFile() as file:
            image.save(file, "JPEG", quality=90, optimize=True)


def _by_jpeglib(data: bytes, targets: int) -> None:
    with tempfile.NamedTemporaryFile(suffix=".jpg") as file:
        file.write(data)
        file.flush()
        image = library().read_spatial(file.name)
        image.load()
        for _ in range(targets):
            image.write_spatial(file.name, qt=90, flags=["+OPTIMIZE_CODING"])


def _seconds(work: Callable[[], object], rounds: int) -> float:
    times = []
    for _ in range(rounds):
        begun = time.thread_time()
        work()
        times.append(time.thread_time() - begun)
    return statistics.median(times)
