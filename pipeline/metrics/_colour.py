"""CIEDE2000 to the colour that a product was to have. Knows no score."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.images.light import lab, rgb_of
from pipeline.metrics._pair import Pair

Values = NDArray[np.float64]


def to_wanted(srgb: NDArray[np.number], wanted: str) -> Values:
    """(…, 3) sRGB in 0..255 and `#rrggbb` → (…) ΔE2000."""
    from skimage.color import deltaE_ciede2000

    pixels, target = (
        lab(np.asarray(value, np.float32) / np.float32(255)) for value in (srgb, rgb_of(wanted))
    )
    return np.asarray(deltaE_ciede2000(pixels, np.broadcast_to(target, pixels.shape)))  # type: ignore[no-untyped-call]


def region(pair: Pair) -> Values | None:
    """(N,) of the edit's pixels inside of the mask; None where no colour was asked for, or none is.

    All, or 65,536 drawn from the mask's box where it has more.
    """
    if pair.colour is None or not len(inside := pair.sample()[1]):
        return None
    return to_wanted(inside[:, 0], pair.colour)
