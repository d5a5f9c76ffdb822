"""Which edits of one image nearly equal each other, told by thumbnails. Knows no file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from PIL import Image

from pipeline.images.picture import Picture, Pixels, Plane, largest

SIDE = 64
"""Pixels, both ways."""
EACH = 8
"""Pixels of a picture, both ways, that one of its thumbnail is the mean of, at least."""
NEAR = 3.0
"""Of 255: mean difference, over the channels, where either of two edits has its mask."""


class Thumbnail(NamedTuple):
    """An edit, small."""

    rgb: Pixels  # (SIDE, SIDE, 3) uint8
    mask: Plane  # (SIDE, SIDE) uint8, above 0 where any of the mask is


def thumbnail(picture: Picture, mask: Plane) -> Thumbnail:
    """Of an edit at its own size; `mask` is (H, W) uint8."""
    rgb = Image.fromarray(_fewer(picture).on_white())
    tops, lefts = ([place * side // SIDE for place in range(SIDE)] for side in mask.shape)
    small = np.asarray(rgb.resize((SIDE, SIDE), Image.Resampling.BOX))
    return Thumbnail(small, largest(mask, tops, lefts))


def _fewer(picture: Picture) -> Picture:
    """Of a large picture a grid of pixels: of more, the means would be the same within noise."""
    down, across = (max(1, side // (EACH * SIDE)) for side in picture.rgb.shape[:2])
    alpha = picture.alpha
    return Picture(
        picture.rgb[::down, ::across], alpha if alpha is None else alpha[::down, ::across]
    )


def first_alike(thumbnails: Sequence[Thumbnail | None]) -> list[int | None]:
    """Of each the first one before it that it nearly equals; None where there is none."""
    return [
        next((j for j in range(i) if _alike(thumbnails[j], thumbnails[i])), None)
        for i in range(len(thumbnails))
    ]


def _alike(one: Thumbnail | None, other: Thumbnail | None) -> bool:
    if one is None or other is None:
        return False
    edited = (one.mask > 0) | (other.mask > 0)
    if not edited.any():
        return True  # both are the source
    difference = np.abs(one.rgb[edited].astype(np.int16) - other.rgb[edited])
    return bool(difference.mean() <= NEAR)
