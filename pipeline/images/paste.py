"""The model's picture → the photo's own pixels, changed inside the mask alone. Knows no model.

Shapes: H W the photo's sides, h w the latent grid's.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from skimage.filters import gaussian
from torch import Tensor

from pipeline.images.bucket import to_model, to_rgb
from pipeline.images.decode import Pixels

Mask = NDArray[np.uint8]
Floats = NDArray[np.float32]
Mode = Literal["none", "feather", "recolor"]

BAND = 256
"""Rows composited at a time: float copies of a whole photo would take gigabytes."""
DETAIL = 0.04
"""Sigma, share of the short side: luminance that varies faster is detail and stays."""
SOLID = 0.02
"""Luminance below which the edit's chroma is scaled less: black has no hue to amplify."""

_LUMA = np.array([0.2126, 0.7152, 0.0722], np.float32)  # of linear sRGB (ITU-R BT.709)
_STEPS = np.arange(256) / 255.0
_LINEAR = np.where(_STEPS <= 0.04045, _STEPS / 12.92, ((_STEPS + 0.055) / 1.055) ** 2.4)
_LINEAR = _LINEAR.astype(np.float32)


def paste_back(
    original: Pixels, edited_3HW: Tensor, mask_hw: Tensor, mode: Mode, feather: float
) -> tuple[Pixels, Mask]:
    """The edited photo, (H, W, 3) uint8, and its mask, (H, W) uint8, at the photo's own size.

    `edited_3HW` is the decoded edit in [-1, 1] at the model's size, `mask_hw` the bool mask on the
    latent grid, `feather` the width of the transition as a share of the short side; it is centred
    on the mask's outline. The mask returned is 255 wherever the photo may differ (the feather
    included); where it is 0 the bytes are the original's.

    none: the decoded edit everywhere, with the bare mask. feather: the edit composited on the
    photo. recolor: the edit's chroma under the photo's luminance detail; see `_relit`.
    """
    height, width = original.shape[:2]
    edit = to_rgb(edited_3HW, (width, height))
    outline = _outline(mask_hw, (width, height))
    if mode == "none":
        return edit, np.asarray(outline)
    alpha = np.asarray(_feathered(outline, feather * min(width, height)))
    shift = _lightness_shift(original, edited_3HW, outline) if mode == "recolor" else None
    out = original.copy()
    for rows in _bands(alpha):
        new = edit[rows] if shift is None else _relit(original[rows], edit[rows], shift[rows])
        out[rows] = _mixed(original[rows], new, alpha[rows])
    return out, np.where(alpha > 0, np.uint8(255), np.uint8(0))


def _outline(mask_hw: Tensor, size: tuple[int, int]) -> Image.Image:
    """The mask at `size` = (W, H), 0 or 255, with the grid's steps smoothed."""
    grid = Image.fromarray(mask_hw.cpu().numpy().astype(np.uint8) * 255)
    smooth = grid.resize(size, Image.Resampling.BICUBIC)
    return smooth.point(lambda value: 255 if value >= 128 else 0)


def _feathered(outline: Image.Image, width: float) -> Image.Image:
    # Two box blurs: a smooth ramp that, unlike a Gaussian's, ends at a known distance.
    radius = width / 4
    return outline.filter(ImageFilter.BoxBlur(radius)).filter(ImageFilter.BoxBlur(radius))


def _bands(alpha: Mask) -> Iterator[slice]:
    """Slices of rows that hold something to change."""
    for top in range(0, len(alpha), BAND):
        rows = slice(top, top + BAND)
        if alpha[rows].any():
            yield rows


def _mixed(original: Pixels, new: Pixels, alpha: Mask) -> Pixels:
    share = alpha[..., None].astype(np.uint32)
    mixed = (new * share + original * (255 - share) + 127) // 255
    return mixed.astype(np.uint8)


def _lightness_shift(original: Pixels, edited_3HW: Tensor, outline: Image.Image) -> Floats:
    """(H, W) low-frequency part of L(edit) − L(original) inside the mask, L the cube root of Y.

    Found at the model's size and within the mask only (a normalised blur), so that neither the
    background nor the photo's resolution enters it.
    """
    size = (edited_3HW.shape[2], edited_3HW.shape[1])
    difference = _lightness(to_rgb(edited_3HW)) - _lightness(to_rgb(to_model(original, size)))
    inside: Floats = np.asarray(outline.resize(size, Image.Resampling.BILINEAR)).astype(
        np.float32
    ) / np.float32(255)
    sigma = DETAIL * min(size)
    weight = _blurred(inside, sigma) + 1e-6
    shift = _blurred(difference * inside, sigma) / weight
    photo = Image.fromarray(shift.astype(np.float32)).resize(
        outline.size, Image.Resampling.BILINEAR
    )
    return np.asarray(photo)


def _blurred(values: Floats, sigma: float) -> Floats:
    return np.asarray(gaussian(values, sigma, preserve_range=True))  # type: ignore[no-untyped-call]


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
