"""Paste-back written straight down: the whole photo at once, every number at its own pixel.

What `pipeline.images.paste` gives, within a tolerance, at many times the cost.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from PIL import Image, ImageFilter
from torch import Tensor

from pipeline.images.bucket import to_model, to_rgb
from pipeline.images.recolor import Recolouring

FIT_SIDE = 256


def paste_back(
    original: Any, edited_3HW: Tensor, mask_hw: Tensor, mode: str, feather: float
) -> Any:
    """(H, W, 3) edited photo and (H, W) mask."""
    height, width = original.shape[:2]
    outline = _outline(mask_hw, (width, height))
    if mode == "recolor":
        ramp = np.asarray(_feathered(outline, 2 * feather * min(width, height))) / 255
        return _recolored(original, ramp, _fit(original, edited_3HW, mask_hw, feather))
    alpha = np.asarray(_feathered(outline, feather * min(width, height)))
    new = to_rgb(edited_3HW, (width, height))
    share = alpha[..., None].astype(np.uint32)
    mixed = (new * share + original * (255 - share) + 127) // 255
    return mixed.astype(np.uint8), np.where(alpha > 0, 255, 0)


def _outline(mask_hw: Tensor, size: tuple[int, int]) -> Image.Image:
    """The mask at `size` = (W, H), 0 or 255, with the grid's steps smoothed."""
    grid = Image.fromarray((mask_hw.cpu().float().clamp(0, 1) * 255).round().byte().numpy())
    smooth = grid.resize(size, Image.Resampling.BICUBIC)
    return smooth.point(lambda value: 255 if value >= 128 else 0)


def _feathered(outline: Image.Image, width: float) -> Image.Image:
    # Two box blurs: a smooth ramp that, unlike a Gaussian's, ends at a known distance.
    radius = width / 4
    return outline.filter(ImageFilter.BoxBlur(radius)).filter(ImageFilter.BoxBlur(radius))


def _fit(original: Any, edited_3HW: Tensor, mask_hw: Tensor, feather: float) -> Recolouring:
    height, width = edited_3HW.shape[1:]
    scale = min(1.0, FIT_SIDE / min(height, width))
    size = (round(width * scale), round(height * scale))
    seen = to_rgb(to_model(original, (width, height)), size)
    grid = Image.fromarray((mask_hw.float() * 255).round().byte().numpy())
    inside = np.asarray(grid.resize(size, Image.Resampling.BICUBIC))
    found = Recolouring.fit(seen, to_rgb(edited_3HW, size), inside, None, feather * min(size))
    assert found is not None
    return found


def _recolored(original: Any, ramp: Any, fit: Recolouring) -> Any:
    """Each pixel at once, the mixture and all."""
    light = _linear(original)
    planes = list(np.float32(light.reshape(-1, 3).T))
    inner, rim = (
        np.stack(fit.applied(planes, across), -1).reshape(light.shape) for across in (0, 1)
    )
    tells = 1 - min(1, fit.surround / 0.5)
    inside, reached = ((ramp - 0.5) / 0.45).clip(0, 1), (ramp / 0.03).clip(0, 1)
    plain = ((ramp - 0.35) / 0.3).clip(0, 1)
    of_inner, of_rim = tells * inside + (1 - tells) * plain, tells * (1 - inside) * reached
    made = light + of_inner[..., None] * (inner - light) + of_rim[..., None] * (rim - light)
    made = np.uint8(_srgb(made).round())
    return made, np.where((ramp >= 0.5) | (made != original).any(-1), 255, 0)


def _srgb(linear: Any) -> Any:
    value = np.clip(linear, 0, 1)
    return 255 * np.where(value <= 0.0031308, value * 12.92, 1.055 * value ** (1 / 2.4) - 0.055)


def _linear(rgb: Any) -> Any:
    level = rgb / 255
    return np.where(level <= 0.04045, level / 12.92, ((level + 0.055) / 1.055) ** 2.4)
