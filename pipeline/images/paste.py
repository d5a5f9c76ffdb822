"""The model's picture → the photo's own pixels, changed inside the mask alone. Knows no model.

Shapes: H W the photo's sides, h w those of a smaller grid (latents or statistics).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Literal

import numpy as np
from PIL import Image, ImageFilter
from torch import Tensor

from pipeline.images.blend import Blend
from pipeline.images.body import Bools
from pipeline.images.bucket import to_model, to_rgb
from pipeline.images.light import Floats
from pipeline.images.picture import Pixels, Plane, off_white, over_white
from pipeline.images.recolor import Recolouring

Mode = Literal["none", "feather", "recolor"]
Part = tuple[slice, slice]
"""Rows and columns of the photo."""

BAND = 16
"""Rows composited at a time, so that their numbers stay in a core's cache."""
FIT_SIDE = 256
"""Short side at which the photo and the edit are compared, at most."""
FINE = 5
"""Pixels of a blur's radius below which a feather is drawn at full resolution."""
LIKELY = 64
"""Of 255: where all cells of the grid around a pixel are below it, bicubic interpolation stays
below ½."""


def paste_back(
    original: Pixels,
    edited_3HW: Tensor | None,
    mask_hw: Tensor,
    mode: Mode,
    feather: float,
    opacity: Plane | None = None,
    seen_3HW: Tensor | None = None,
    colour: Floats | None = None,
) -> tuple[Pixels, Plane]:
    """The edited photo, (H, W, 3) uint8, and its mask, (H, W) uint8, at the photo's own size.

    `edited_3HW` is the decoded edit in [-1, 1] at the model's size, `mask_hw` the mask on any
    smaller grid, bool or in [0, 1] with its outline at ½, `feather` the width of the transition as
    a share of the short side; it is centred on the outline. The mask returned is 255 wherever the
    photo may differ (the feather included); where it is 0 the bytes are the original's.

    none: the decoded edit everywhere, with the bare mask. feather: the edit composited on the
    photo. recolor: the photo with one colour changed for the edit's, or for `colour`, (3,) sRGB in
    0..255, which needs no edit; see `recolor`. There the outline is drawn by colour, where the
    surround has another, up to `feather` outside of the mask's, and the mask returned is what
    differs or is inside.

    `opacity` is the photo's alpha, (H, W) uint8, if it has any; the model has seen the photo on
    white. Where it is 0 the mask is 0 and the bytes are the original's, in every mode; elsewhere
    the colours are such that the result looks like the edit on white. `seen_3HW` is what the model
    saw, of the edit's shape; where it is not at hand it is made of the photo.
    """
    size = original.shape[1], original.shape[0]
    if mode == "recolor":
        if seen_3HW is None:
            seen_3HW = _seen(original, mask_hw if edited_3HW is None else edited_3HW, opacity)
        fit = _fit(seen_3HW, edited_3HW, mask_hw, opacity, feather, colour)
        part, ramp = _ramp(mask_hw, size, 2 * feather * min(size), opacity)
        return _recoloured(original, part, ramp, fit)
    assert edited_3HW is not None, "only a given colour needs no edit"
    part, alpha = _ramp(mask_hw, size, feather * min(size) if mode == "feather" else 0.0, opacity)
    mask = _whole(alpha > 0, part, size)
    if mode == "none":
        return _everywhere(original, edited_3HW, opacity), mask
    new = partial(_enlarged, Image.fromarray(to_rgb(edited_3HW)), size, opacity)
    return _composite(original, part, alpha, new), mask


def _ramp(
    mask_hw: Tensor, size: tuple[int, int], ramp: float, opacity: Plane | None
) -> tuple[Part, Plane]:
    """The part of the photo that the mask touches, and how much, `ramp` pixels across its edge."""
    part = _part(_grid(mask_hw), size, ramp)
    alpha = _feathered(Image.fromarray(_grid(mask_hw)), size, part, ramp)
    return part, alpha if opacity is None else np.where(opacity[part] > 0, alpha, np.uint8(0))


def _grid(mask_hw: Tensor) -> Plane:
    return np.asarray((mask_hw.cpu().float().clamp(0, 1) * 255).round().byte().numpy())


def _whole(inside: Bools, part: Part, size: tuple[int, int]) -> Plane:
    mask = np.zeros(size[::-1], np.uint8)
    np.multiply(inside, np.uint8(255), out=mask[part])
    return mask


def _part(grid: Plane, size: tuple[int, int], ramp: float) -> Part:
    """A box around all that the feathered outline of the mask `grid` can reach."""
    likely = np.argwhere(grid >= LIKELY)
    if not likely.size:
        return slice(0, 1), slice(0, 1)
    sides = []
    for axis, length in enumerate(size[::-1]):
        cell = length / grid.shape[axis]
        reach = 3 * cell + ramp + 4
        first, last = likely[:, axis].min() * cell - reach, likely[:, axis].max() * cell + reach
        sides.append(slice(max(0, int(first)), min(length, int(last + cell) + 1)))
    return sides[0], sides[1]


def _region(
    image: Image.Image,
    size: tuple[int, int],
    part: Part,
    resample: Image.Resampling,
    step: int = 1,
) -> Image.Image:
    """That part of `image` resized to `size` = (W, H), or a step-th of it; the rest is not made."""
    rows, columns = part
    across, down = image.width / size[0], image.height / size[1]
    box = columns.start * across, rows.start * down, columns.stop * across, rows.stop * down
    box = box[0], box[1], min(box[2], image.width), min(box[3], image.height)
    made = (-(-(side.stop - side.start) // step) for side in (columns, rows))
    return image.resize((next(made), next(made)), resample, box)


def _over_half(value: int) -> int:
    return 255 if value >= 128 else 0


def _feathered(grid: Image.Image, size: tuple[int, int], part: Part, ramp: float) -> Plane:
    """That part of the mask at `size`, its steps smoothed, with a ramp of that many pixels."""
    # Two box blurs: a smooth ramp that, unlike a Gaussian's, ends at a known distance. A wide one
    # needs no full resolution.
    radius = ramp / 4
    step = max(1, int(radius / FINE))
    coarse = _region(grid, size, part, Image.Resampling.BICUBIC, step).point(_over_half)
    blur = ImageFilter.BoxBlur(radius / step)
    blurred = coarse.filter(blur).filter(blur)
    whole = part[1].stop - part[1].start, part[0].stop - part[0].start
    return np.asarray(blurred if step == 1 else blurred.resize(whole, Image.Resampling.BILINEAR))


def _everywhere(original: Pixels, edited_3HW: Tensor, opacity: Plane | None) -> Pixels:
    edit = to_rgb(edited_3HW, (original.shape[1], original.shape[0]))
    if opacity is None:
        return edit
    return np.where(opacity[..., None] > 0, off_white(edit, opacity), original)


def _enlarged(
    edit: Image.Image, size: tuple[int, int], opacity: Plane | None, rows: slice, columns: slice
) -> Pixels:
    """(3, H', W') of that part of the edit at the photo's size."""
    new = np.asarray(_region(edit, size, (rows, columns), Image.Resampling.LANCZOS))
    new = new if opacity is None else off_white(new, opacity[rows, columns])
    return new.transpose(2, 0, 1)


def _seen(original: Pixels, like: Tensor, opacity: Plane | None) -> Tensor:
    picture = original if opacity is None else over_white(original, opacity)
    return to_model(picture, (like.shape[-1], like.shape[-2]))


def _fit(
    seen_3HW: Tensor,
    edited_3HW: Tensor | None,
    mask_hw: Tensor,
    opacity: Plane | None,
    feather: float,
    colour: Floats | None,
) -> Recolouring | None:
    height, width = seen_3HW.shape[1:]
    scale = min(1.0, FIT_SIDE / min(height, width))
    size = (round(width * scale), round(height * scale))
    inside = np.asarray(Image.fromarray(_grid(mask_hw)).resize(size, Image.Resampling.BICUBIC))
    clear = None
    if opacity is not None:
        clear = np.asarray(Image.fromarray(opacity).resize(size, Image.Resampling.BOX))
    edit = None if edited_3HW is None else to_rgb(edited_3HW, size)
    photo = to_rgb(seen_3HW, size)
    return Recolouring.fit(photo, edit, inside, clear, feather * min(size), colour)


def _recoloured(
    original: Pixels, part: Part, ramp: Plane, fit: Recolouring | None
) -> tuple[Pixels, Plane]:
    """`original` recoloured in that part, and the mask of where it is inside or differs."""
    out, mask = original.copy(), _whole(ramp >= 128, part, original.shape[1::-1])
    if fit is None:
        return out, mask
    blend = Blend.of(fit)
    for (down, across), band in _bands(part, ramp):
        blend(out[down, across], mask[down, across], band)
    return out, mask


def _bands(part: Part, alpha: Plane) -> Iterator[tuple[Part, Plane]]:
    """Rows and columns of the photo where `alpha`, of its `part`, is above 0, and that of it."""
    rows, columns = part
    for top in range(0, len(alpha), BAND):
        band = alpha[top : top + BAND]
        touched = np.flatnonzero(band.max(axis=0))
        if touched.size:
            left, right = int(touched[0]), int(touched[-1]) + 1
            down = slice(rows.start + top, rows.start + top + len(band))
            across = slice(columns.start + left, columns.start + right)
            yield (down, across), band[:, left:right]


def _composite(
    original: Pixels, part: Part, alpha: Plane, new: Callable[[slice, slice], Pixels]
) -> Pixels:
    """`original` with `new(rows, columns)`, (3, H', W'), where `alpha`, of its `part`, says."""
    out = original.copy()
    for (down, across), band in _bands(part, alpha):
        _mix(out[down, across], new(down, across), band)
    return out


def _mix(out: Pixels, new: Pixels, alpha: Plane) -> None:
    """`out`, (H', W', 3), becomes a share of `alpha` / 255 of `new`, (3, H', W'), rounded."""
    share = alpha.astype(np.uint16)
    for channel in range(3):
        mixed = new[channel] * share
        mixed += out[..., channel] * (255 - share) + np.uint16(128)
        mixed += mixed >> 8  # the division by 255, exactly
        out[..., channel] = mixed >> 8
