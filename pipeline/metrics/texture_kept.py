"""Whether the edited region kept its texture: seams, grain, print, shading. Knows no colour."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.images.picture import Pixels
from pipeline.metrics._pair import Pair, Region

FINE = 2.0
"""Pixels (sigma): what is coarser than this is shape, not texture."""
FLAT = 0.1
"""L* (0..100): fine detail weaker than this is rounding."""


def score(pair: Pair) -> float:
    """Correlation, -1..1, of the fine lightness detail inside of the mask before and after.

    At the photo's own size, in the mask's box; of 16 tiles of 128 × 128 spread over it, where it is
    larger than they are together. 1 where the mask is empty or both are flat, 0 where only one of
    the two is flat.
    """
    if not pair.mask.any():
        return 1.0
    found = [_details(pair, tile) for tile in pair.tiles(pair.box)]
    before, after = np.concatenate(found, axis=1)
    flat = [detail.size == 0 or detail.std() < FLAT for detail in (before, after)]
    if any(flat):
        return 1.0 if all(flat) else 0.0
    return float(np.corrcoef(before, after)[0, 1])


def _details(pair: Pair, part: Region) -> NDArray[np.float64]:
    """(2, N) of the pixels of a part that are inside of the mask."""
    inside = pair.mask[part] > 0
    return np.stack([_detail(image)[inside] for image in pair.seen(part)])


def _detail(image: Pixels) -> NDArray[np.float64]:
    from skimage.color import rgb2lab
    from skimage.filters import gaussian

    lightness: NDArray[np.float64] = rgb2lab(image)[..., 0]
    shape = gaussian(lightness, FINE)  # type: ignore[no-untyped-call]
    return np.asarray(lightness - shape, np.float64)
