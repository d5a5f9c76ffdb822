"""Paste-back written straight down: the whole photo at once, every number at its own pixel.

What `pipeline.images.paste` gives, within a tolerance, at many times the cost.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from PIL import Image, ImageFilter
from torch import Tensor

from pipeline.diffusion.refine import box
from pipeline.images.bucket import to_model, to_rgb

FIT_SIDE, FIT_RADIUS = 256, 0.04
COLOUR_RIDGE, SHIFT_RIDGE, SOLID = 0.002, 0.006, 0.02
_LUMA = np.array([0.2126, 0.7152, 0.0722])


def paste_back(
    original: Any, edited_3HW: Tensor, mask_hw: Tensor, mode: str, feather: float
) -> Any:
    """(H, W, 3) edited photo and (H, W) mask."""
    height, width = original.shape[:2]
    outline = _outline(mask_hw, (width, height))
    alpha = np.asarray(_feathered(outline, feather * min(width, height)))
    if mode == "feather":
        new = to_rgb(edited_3HW, (width, height))
    else:
        new = _recolored(original, _fit(original, edited_3HW, outline))
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


def _fit(original: Any, edited_3HW: Tensor, outline: Image.Image) -> Any:
    height, width = edited_3HW.shape[1:]
    scale = min(1.0, FIT_SIDE / min(height, width))
    size = (round(width * scale), round(height * scale))
    before, after = to_rgb(to_model(original, size)), to_rgb(edited_3HW, size)
    inside = np.asarray(outline.resize(size, Image.Resampling.BILINEAR))
    shift = _lightness(after) - _lightness(before)
    target = np.concatenate([after / np.float32(255), shift[..., None]], axis=-1)
    radius = max(1, round(FIT_RADIUS * min(size)))
    guide_3hw, target_4hw, weight_1hw = map(
        _planes, (before / 255, target, inside[..., None] / 255)
    )
    return np.asarray(_guided(guide_3hw, target_4hw, weight_1hw, radius))


def _planes(values: Any) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values.transpose(2, 0, 1), dtype=np.float32))


def _guided(guide_3hw: Tensor, target_4hw: Tensor, weight_1hw: Tensor, radius: int) -> Tensor:
    """(h, w, 4, 4) ridge regressions target ≈ [guide, 1] · map in windows, averaged by windows."""

    weights_1hw = box(weight_1hw, radius) + 1e-4

    def mean(x: Tensor) -> Tensor:  # (..., h, w)
        return (box((x * weight_1hw[0]).flatten(0, -3), radius) / weights_1hw).view(x.shape)

    guide, target = mean(guide_3hw), mean(target_4hw)
    spread = mean(guide_3hw[:, None] * guide_3hw) - guide[:, None] * guide
    shared = mean(guide_3hw[:, None] * target_4hw) - guide[:, None] * target
    spread, shared = spread.permute(2, 3, 0, 1), shared.permute(2, 3, 0, 1)
    colour = torch.linalg.solve(spread + COLOUR_RIDGE * torch.eye(3), shared[..., :3])
    shift = torch.linalg.solve(spread + SHIFT_RIDGE * torch.eye(3), shared[..., 3:])
    slope = torch.cat([colour, shift], dim=-1)
    offset = target.permute(1, 2, 0) - torch.einsum("ihw,hwik->hwk", guide, slope)
    maps = torch.cat([slope, offset[:, :, None]], dim=2)
    return mean(maps.permute(2, 3, 0, 1)).permute(2, 3, 0, 1).contiguous()


def _recolored(original: Any, fit: Any) -> Any:
    maps = _enlarged(_enlarged(fit, len(original), 0), original.shape[1], 1)
    guide = np.concatenate([original / 255, np.ones((*original.shape[:2], 1))], axis=-1)
    value = np.einsum("hwi,hwik->hwk", guide, maps)
    edit = (np.clip(value[..., :3], 0, 1) * 255 + 0.5).astype(np.uint8)
    return _relit(original, edit, value[..., 3])


def _enlarged(values: Any, length: int, axis: int) -> Any:
    count = values.shape[axis]
    at = ((np.arange(length) + 0.5) * count / length - 0.5).clip(0, count - 1)
    low = at.astype(int)
    share = (at - low).reshape(-1, *[1] * (values.ndim - axis - 1))
    below, above = values.take(low, axis), values.take(np.minimum(low + 1, count - 1), axis)
    return below + (above - below) * share


def _relit(original: Any, edit: Any, shift: Any) -> Any:
    target = np.clip(_lightness(original) + shift, 0, 1)[..., None] ** 3
    colour = _linear(edit)
    luma = (colour @ _LUMA)[..., None]
    chroma = (colour - luma) * (target + SOLID) / (luma + SOLID)
    room = np.where(chroma > 0, 1 - target, target)
    reach = (room / np.maximum(np.abs(chroma), 1e-6)).min(axis=-1, keepdims=True)
    return _companded(target + chroma * np.minimum(1, reach))


def _lightness(rgb: Any) -> Any:
    lightness: Any = np.cbrt(_linear(rgb) @ _LUMA)
    return lightness


def _companded(linear: Any) -> Any:
    value = np.clip(linear, 0, 1)
    srgb = np.where(value <= 0.0031308, value * 12.92, 1.055 * value ** (1 / 2.4) - 0.055)
    return np.asarray((srgb * 255 + 0.5).astype(np.uint8))


def _linear(rgb: Any) -> Any:
    level = rgb / 255
    return np.where(level <= 0.04045, level / 12.92, ((level + 0.055) / 1.055) ** 2.4)
