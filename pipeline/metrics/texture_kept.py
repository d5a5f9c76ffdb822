"""Whether the edited region kept its texture: seams, grain, print, shading. Knows no colour."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pipeline.metrics._pair import Pair

FINE = 2.0
"""Pixels (sigma): what is coarser than this is shape, not texture."""
FLAT = 0.1
"""L* (0..100): fine detail weaker than this is rounding."""


def score(pair: Pair) -> float:
    """Correlation, -1..1, of the fine lightness detail inside of the mask before and after.

    1 where the mask is empty or both are flat, 0 where only one of the two is flat.
    """
    if not pair.inside.any():
        return 1.0
    before, after = (_detail(image)[pair.inside] for image in (pair.source, pair.edited))
    flat = [detail.std() < FLAT for detail in (before, after)]
    if any(flat):
        return 1.0 if all(flat) else 0.0
    return float(np.corrcoef(before, after)[0, 1])


def _detail(image: NDArray[np.uint8]) -> NDArray[np.float64]:
    from skimage.color import rgb2lab
    from skimage.filters import gaussian

    lightness: NDArray[np.float64] = rgb2lab(image)[..., 0]
    shape = gaussian(lightness, FINE)  # type: ignore[no-untyped-call]
    return np.asarray(lightness - shape, np.float64)
