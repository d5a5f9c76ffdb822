"""How unchanged the background is, pixel by pixel. Knows no structure."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

CAP = 100.0


def score(source: NDArray[np.uint8], edited: NDArray[np.uint8], mask: NDArray[np.uint8]) -> float:
    """Peak signal-to-noise ratio in dB outside of the mask, 100 at most.

    `source`, `edited`: (H, W, 3) RGB; `mask`: (H, W), above 0 where edited. 100 where the
    background is identical, or where the mask leaves none.
    """
    outside = mask == 0
    difference = source[outside].astype(np.float64) - edited[outside]
    error = float(np.mean(difference**2)) if difference.size else 0.0
    return CAP if error == 0 else min(CAP, 10 * float(np.log10(255**2 / error)))
