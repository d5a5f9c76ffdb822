"""Between sRGB and linear light. Knows no picture."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

LUMA = np.array([0.2126, 0.7152, 0.0722], np.float32)
"""Of linear sRGB (ITU-R BT.709)."""


def expanded(srgb: Floats) -> Floats:
    """sRGB in [0, 1] → linear light."""
    power = ((srgb + 0.055) / 1.055) ** 2.4
    return np.asarray(np.where(srgb <= 0.04045, srgb / 12.92, power), np.float32)


_LINEAR = expanded(np.linspace(0, 1, 256, dtype=np.float32))


def linear(srgb: NDArray[np.uint8]) -> Floats:
    """sRGB levels, of any shape → linear light in [0, 1]."""
    return np.asarray(_LINEAR.take(srgb, mode="clip"))


def companded(light: NDArray[np.floating[Any]]) -> Floats:
    """Linear light, clipped to [0, 1] → sRGB in [0, 1], not rounded."""
    light = np.clip(light, 0, 1)
    root = 1.055 * np.power(light, 1 / 2.4) - 0.055
    return np.asarray(np.where(light <= 0.0031308, 12.92 * light, root), np.float32)


def rgb_of(code: str) -> Floats:
    """`#rrggbb` → (3,) sRGB in 0..255."""
    return np.array([int(code[at : at + 2], 16) for at in (1, 3, 5)], np.float32)


def hex_of(rgb: Floats) -> str:
    """(3,) sRGB in 0..255 → `#rrggbb`."""
    return "#" + "".join(f"{round(float(value)):02x}" for value in rgb)


def lab(srgb: NDArray[np.uint8] | Floats) -> NDArray[np.float64]:
    """(…, 3) sRGB, levels or in [0, 1] → CIE Lab (D65, 2°)."""
    from skimage.color import rgb2lab

    return np.asarray(rgb2lab(srgb))


_LEVELS = (companded((np.arange(65536) + 0.5) / 65536) * 255 + 0.5).astype(np.uint8)
"""Of light from i / 65536 on."""


def levels(light: Floats) -> NDArray[np.uint8]:
    """Linear light, clipped to [0, 1] → sRGB levels. `light` is spent."""
    light *= np.float32(65535.99)
    return np.asarray(_LEVELS.take(light.astype(np.intp), mode="clip"))
