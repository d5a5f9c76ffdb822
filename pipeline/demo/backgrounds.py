"""The six backgrounds, painted from a number generator. Knows nothing of the object in front."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.floating[Any]]
"""(H, W, 3) in [0, 1], or (H, W)."""

MUTED = np.array(
    [
        [0.80, 0.79, 0.77],
        [0.83, 0.77, 0.68],
        [0.69, 0.74, 0.80],
        [0.72, 0.76, 0.69],
        [0.60, 0.60, 0.62],
    ],
    dtype=np.float32,
)
"""Tones of paper, cloth and tiles: too grey to be taken for a colour of an object."""


def value_noise(rng: np.random.Generator, shape: tuple[int, int], cells: tuple[int, int]) -> Pixels:
    """Smooth noise in about [0, 1] with (rows, columns) cells across the longer side's square.

    The cells don't depend on the number of pixels, so a scene looks alike at every size.
    """
    side = max(shape)
    grid = Image.fromarray(rng.random(cells, dtype=np.float32))
    square = np.asarray(grid.resize((side, side), Image.Resampling.BICUBIC))
    top, left = (side - shape[0]) // 2, (side - shape[1]) // 2
    return square[top : top + shape[0], left : left + shape[1]]


def _line(position: Pixels, width: float, soft: float) -> Pixels:
    """1 on the whole numbers of position, 0 further off than width, with a soft edge."""
    distance = np.abs(position - np.round(position))
    return np.asarray(np.clip((width - distance) / soft + 0.5, 0, 1), dtype=np.float32)


def _tone(rng: np.random.Generator) -> Pixels:
    tone: Pixels = MUTED[rng.integers(len(MUTED))] + rng.uniform(-0.03, 0.03, 3).astype(np.float32)
    return tone


def _plain(x: Pixels, y: Pixels, rng: np.random.Generator) -> Pixels:
    return np.asarray(np.broadcast_to(_tone(rng), (*x.shape, 3)), dtype=np.float32)


def _gradient(x: Pixels, y: Pixels, rng: np.random.Generator) -> Pixels:
    top = np.array([0.93, 0.91, 0.88], dtype=np.float32)
    bottom = _tone(rng) * 0.42
    ramp = np.clip((y + 1) / 2, 0, 1)[..., None]
    return top * (1 - ramp) + bottom * ramp


def _wood(x: Pixels, y: Pixels, rng: np.random.Generator) -> Pixels:
    light, dark = np.array([0.72, 0.52, 0.33]), np.array([0.50, 0.33, 0.19])
    planks = rng.uniform(1.2, 1.8)
    offset = rng.uniform()
    row = (y * planks + offset).astype(np.float32)
    shade = rng.uniform(-0.05, 0.05, 16)[np.floor(row).astype(int) % 16]
    grain = value_noise(rng, x.shape, (40, 5))
    wood = dark + (light - dark) * (0.25 + 0.7 * grain + 2 * shade)[..., None]
    wood = wood * (1 - 0.55 * _line(row, 0.03, 0.03))[..., None]
    return np.asarray(wood, dtype=np.float32)


def _tiles(x: Pixels, y: Pixels, rng: np.random.Generator) -> Pixels:
    count = rng.uniform(1.5, 2.2)
    u = (x * count + rng.uniform()).astype(np.float32)
    v = (y * count + rng.uniform()).astype(np.float32)
    grout = np.maximum(_line(u, 0.045, 0.04), _line(v, 0.045, 0.04))[..., None]
    shade = rng.uniform(0.92, 1.04, (16, 16))[
        np.floor(u).astype(int) % 16, np.floor(v).astype(int) % 16
    ]
    tiles = _tone(rng) * shade[..., None]
    return np.asarray(tiles * (1 - grout) + 0.38 * grout, dtype=np.float32)


def _fabric(x: Pixels, y: Pixels, rng: np.random.Generator) -> Pixels:
    period = rng.uniform(2.4, 3.2)
    warp = 0.5 + 0.5 * np.sin(2 * np.pi * x * period + rng.uniform(0, 6))
    weft = 0.5 + 0.5 * np.sin(2 * np.pi * y * period + rng.uniform(0, 6))
    folds = value_noise(rng, x.shape, (4, 4))
    cloth = _tone(rng) * (0.62 + 0.2 * warp + 0.2 * weft + 0.12 * (folds - 0.5))[..., None]
    return np.asarray(cloth, dtype=np.float32)


def _grass(x: Pixels, y: Pixels, rng: np.random.Generator) -> Pixels:
    dark, light = np.array([0.24, 0.31, 0.13]), np.array([0.50, 0.55, 0.28])
    blades = 0.65 * value_noise(rng, x.shape, (16, 40)) + 0.35 * value_noise(rng, x.shape, (6, 6))
    return np.asarray(dark + (light - dark) * (1.6 * blades - 0.3)[..., None], dtype=np.float32)


BACKGROUNDS: dict[str, Callable[[Pixels, Pixels, np.random.Generator], Pixels]] = {
    "plain": _plain,
    "gradient": _gradient,
    "wood": _wood,
    "tiles": _tiles,
    "fabric": _fabric,
    "grass": _grass,
}
"""name → painter of (x, y, rng): x, y (H, W) with the shorter side spanning [-1, 1]."""
