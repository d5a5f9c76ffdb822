"""The model's picture → the photo's own pixels, changed inside the mask alone. Knows no model.

Shapes: H W the photo's sides, h w those of a smaller grid (latents or statistics).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageFilter
from torch import Tensor

from pipeline.diffusion.refine import box
from pipeline.images.bucket import to_model, to_rgb
from pipeline.images.picture import Pixels, Plane, off_white, over_white

Floats = NDArray[np.float32]
Mode = Literal["none", "feather", "recolor"]

BAND = 64
"""Rows composited at a time: float copies of a whole photo would take gigabytes."""
FIT_SIDE = 256
"""Short side at which the photo and the edit are compared, at most."""
FIT_RADIUS = 0.04
"""Of the window of a local fit, share of the short side."""
COLOUR_RIDGE, SHIFT_RIDGE = 0.002, 0.006
"""Variances (of sRGB in 0..1) below which a difference of the photo is texture, not an edge:
for the edit's colour, and higher for its lightness, which must not undo the photo's texture."""
SOLID = 0.02
"""Luminance below which the edit's chroma is scaled less: black has no hue to amplify."""

_LUMA = np.array([0.2126, 0.7152, 0.0722], np.float32)  # of linear sRGB (ITU-R BT.709)
_STEPS = np.arange(256) / 255.0
_LINEAR = np.where(_STEPS <= 0.04045, _STEPS / 12.92, ((_STEPS + 0.055) / 1.055) ** 2.4)
_LINEAR = _LINEAR.astype(np.float32)


def paste_back(
    original: Pixels,
    edited_3HW: Tensor,
    mask_hw: Tensor,
    mode: Mode,
    feather: float,
    opacity: Plane | None = None,
) -> tuple[Pixels, Plane]:
    """The edited photo, (H, W, 3) uint8, and its mask, (H, W) uint8, at the photo's own size.

    `edited_3HW` is the decoded edit in [-1, 1] at the model's size, `mask_hw` the mask on any
    smaller grid, bool or in [0, 1] with its outline at ½, `feather` the width of the transition as
    a share of the short side; it is centred on the outline. The mask returned is 255 wherever the
    photo may differ (the feather included); where it is 0 the bytes are the original's.

    none: the decoded edit everywhere, with the bare mask. feather: the edit composited on the
    photo. recolor: the edit's chroma under the photo's luminance detail; see `_relit`.

    `opacity` is the photo's alpha, (H, W) uint8, if it has any; the model has seen the photo on
    white. Where it is 0 the mask is 0 and the bytes are the original's, in every mode; elsewhere
    the colours are such that the result looks like the edit on white.
    """
    height, width = original.shape[:2]
    outline = _outline(mask_hw, (width, height))
    if opacity is not None:
        outline = ImageChops.multiply(outline, _visible(opacity))
    edit = to_rgb(edited_3HW, (width, height))
    if opacity is not None:
        edit = off_white(edit, opacity)
    if mode == "none":
        return _kept(original, edit, opacity), np.asarray(outline)
    alpha = np.asarray(_feathered(outline, feather * min(width, height)))
    if opacity is not None:
        alpha = np.where(opacity > 0, alpha, 0)
    fit = _fit(original, edited_3HW, outline, opacity) if mode == "recolor" else None
    out = original.copy()
    for part in _parts(alpha):
        new = edit[part] if fit is None else _recolored(original, fit, part)
        out[part] = _mixed(original[part], new, alpha[part])
    return out, np.where(alpha > 0, np.uint8(255), np.uint8(0))


def _visible(opacity: Plane) -> Image.Image:
    return Image.fromarray(np.where(opacity > 0, np.uint8(255), np.uint8(0)))


def _kept(original: Pixels, edit: Pixels, opacity: Plane | None) -> Pixels:
    return edit if opacity is None else np.where(opacity[..., None] > 0, edit, original)


def _outline(mask_hw: Tensor, size: tuple[int, int]) -> Image.Image:
    """The mask at `size` = (W, H), 0 or 255, with the grid's steps smoothed."""
    grid = Image.fromarray((mask_hw.cpu().float().clamp(0, 1) * 255).round().byte().numpy())
    smooth = grid.resize(size, Image.Resampling.BICUBIC)
    return smooth.point(lambda value: 255 if value >= 128 else 0)


def _feathered(outline: Image.Image, width: float) -> Image.Image:
    # Two box blurs: a smooth ramp that, unlike a Gaussian's, ends at a known distance.
    radius = width / 4
    return outline.filter(ImageFilter.BoxBlur(radius)).filter(ImageFilter.BoxBlur(radius))


def _parts(alpha: Plane) -> Iterator[tuple[slice, slice]]:
    """Bands of rows of the box around what changes."""
    rows, columns = (np.flatnonzero(alpha.any(axis=axis)) for axis in (1, 0))
    if not rows.size:
        return
    across = slice(int(columns[0]), int(columns[-1]) + 1)
    for top in range(int(rows[0]), int(rows[-1]) + 1, BAND):
        yield slice(top, min(top + BAND, int(rows[-1]) + 1)), across


def _mixed(original: Pixels, new: Pixels, alpha: Plane) -> Pixels:
    share = alpha[..., None].astype(np.uint32)
    mixed = (new * share + original * (255 - share) + 127) // 255
    return mixed.astype(np.uint8)


def _fit(
    original: Pixels, edited_3HW: Tensor, outline: Image.Image, opacity: Plane | None
) -> Floats:
    """(h, w, 4, 4) local affine maps from the photo's colour (and 1) to what the edit makes of it.

    The first three outputs are the edit's colour, the last is L(edit) − L(original), L the cube
    root of luminance. It is a guided filter (He, Sun and Tang 2010, section 3.4) with the photo as
    its guide, fitted within the mask: the map has the photo's edges, though the edit is blurred
    or coarse, and texture too weak to be an edge stays out of it.
    """
    height, width = edited_3HW.shape[1:]
    scale = min(1.0, FIT_SIDE / min(height, width))
    size = (round(width * scale), round(height * scale))
    seen = original if opacity is None else over_white(original, opacity)
    before, after = to_rgb(to_model(seen, size)), to_rgb(edited_3HW, size)
    inside = np.asarray(outline.resize(size, Image.Resampling.BILINEAR))
    shift = _lightness(after) - _lightness(before)
    target = np.concatenate([after / np.float32(255), shift[..., None]], axis=-1)
    radius = max(1, round(FIT_RADIUS * min(size)))
    guide_3hw, target_4hw, weight_1hw = map(
        _planes, (before / 255, target, inside[..., None] / 255)
    )
    return np.asarray(_guided(guide_3hw, target_4hw, weight_1hw, radius))


def _planes(values: NDArray[np.floating]) -> Tensor:
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


def _recolored(original: Pixels, fit: Floats, part: tuple[slice, slice]) -> Pixels:
    """The photo's `part` under the fitted maps, with the photo's own luminance detail."""
    maps = _enlarged(_enlarged(fit, len(original), part[0], 0), original.shape[1], part[1], 1)
    photo = original[part]
    value: Floats = maps[..., 3, :]
    for channel in range(3):
        level = photo[..., channel, None].astype(np.float32) / np.float32(255)
        value = value + maps[..., channel, :] * level
    edit = (np.clip(value[..., :3], 0, 1) * 255 + 0.5).astype(np.uint8)
    return _relit(photo, edit, value[..., 3])


def _enlarged(values: Floats, length: int, part: slice, axis: int) -> Floats:
    """`values` interpolated along `axis` as if to `length`, of which only `part` is made."""
    count = values.shape[axis]
    at = ((np.arange(part.start, part.stop) + 0.5) * count / length - 0.5).clip(0, count - 1)
    low = at.astype(int)
    share = (at - low).astype(np.float32).reshape(-1, *[1] * (values.ndim - axis - 1))
    below, above = values.take(low, axis), values.take(np.minimum(low + 1, count - 1), axis)
    return np.asarray(below + (above - below) * share)


def _relit(original: Pixels, edit: Pixels, shift: Floats) -> Pixels:
    """The edit's chroma at luminance (L(original) + shift)³, in linear light.

    Scaling linear RGB keeps its chromaticity as shading does; what leaves the gamut is mixed with
    the grey of the same luminance, so highlights turn white instead of shifting their hue.
    """
    target = np.clip(_lightness(original) + shift, 0, 1)[..., None] ** 3
    colour = _LINEAR[edit]
    luma = (colour @ _LUMA)[..., None]
    chroma = (colour - luma) * (target + SOLID) / (luma + SOLID)
    room = np.where(chroma > 0, 1 - target, target)
    reach = (room / np.maximum(np.abs(chroma), 1e-6)).min(axis=-1, keepdims=True)
    return _companded(target + chroma * np.minimum(1, reach))


def _lightness(rgb: Pixels) -> Floats:
    lightness: Floats = np.cbrt(_LINEAR[rgb] @ _LUMA)
    return lightness


def _companded(linear: Floats) -> Pixels:
    value = np.clip(linear, 0, 1)
    srgb = np.where(value <= 0.0031308, value * 12.92, 1.055 * value ** (1 / 2.4) - 0.055)
    return np.asarray((srgb * 255 + 0.5).astype(np.uint8))
