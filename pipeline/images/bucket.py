"""The size at which the model sees a picture, and the way there and back. Knows no model."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import product

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from pipeline.errors import RowError
from pipeline.images.picture import Pixels

MAX_ASPECT = 4.0
"""Long side over short side; beyond it the model would see a distorted sliver."""


def bucket(width: int, height: int, resolution: int, multiple: int) -> tuple[int, int]:
    """(width, height) of about `resolution`² pixels in nearly the picture's aspect ratio.

    Both are multiples of `multiple`, so pictures of many sizes share few buckets.
    Raises RowError `extreme_aspect` beyond 4:1.
    """
    if max(width, height) > MAX_ASPECT * min(width, height):
        raise RowError(
            "extreme_aspect", f"{width}×{height}: one side is over {MAX_ASPECT:g} times the other"
        )
    scale = resolution / math.sqrt(width * height)
    cells = [side * scale / multiple for side in (width, height)]
    rounded = product(*({max(1, math.floor(n)), math.ceil(n)} for n in cells))
    across, down = min(rounded, key=lambda sides: _unlike(sides, cells))
    return across * multiple, down * multiple


def _unlike(sides: Sequence[float], wanted: Sequence[float]) -> tuple[float, Sequence[float]]:
    """How far off aspect ratio and area are; a picture too small counts more than one too large."""
    wide, high = (math.log(side / want) for side, want in zip(sides, wanted, strict=True))
    area = wide + high
    return abs(wide - high) + (area / 2 if area > 0 else -area), sides


def to_model(rgb: Pixels, size: tuple[int, int]) -> Tensor:
    """(3, h, w) float32 in [-1, 1] of pixels resized (Lanczos) to `size` = (w, h)."""
    return to_tensor(resized(rgb, size))


def resized(rgb: Pixels, size: tuple[int, int]) -> Pixels:
    """(h, w, 3) pixels resized (Lanczos) to `size` = (w, h).

    From four times that size on they are first averaged by whole numbers of pixels: a third of the
    time, and half a level's difference (RMS), most of it rounding.
    """
    image = Image.fromarray(rgb)
    return np.asarray(image.resize(size, Image.Resampling.LANCZOS, reducing_gap=2.0))


def to_tensor(rgb: Pixels) -> Tensor:
    """(3, h, w) float32 in [-1, 1] of (h, w, 3) pixels."""
    values = np.asarray(rgb, dtype=np.float32) / 127.5 - 1.0
    return torch.from_numpy(np.ascontiguousarray(values.transpose(2, 0, 1)))


def to_rgb(image_3HW: Tensor, size: tuple[int, int] | None = None) -> Pixels:
    """(H, W, 3) uint8 pixels of RGB in [-1, 1], resized (Lanczos) to `size` = (W, H) if given."""
    values = image_3HW.detach().float().cpu().clamp(-1, 1).add(1).mul(127.5).round()
    rgb = np.ascontiguousarray(values.permute(1, 2, 0).to(torch.uint8).numpy())
    if size is None or size == (rgb.shape[1], rgb.shape[0]):
        return rgb
    return np.asarray(Image.fromarray(rgb).resize(size, Image.Resampling.LANCZOS))
