"""How unchanged the background is, pixel by pixel. Knows no structure."""

from __future__ import annotations

import numpy as np

from pipeline.metrics._pair import Pair, Region

CAP = 100.0


def score(pair: Pair) -> float:
    """Peak signal-to-noise ratio in dB outside of the mask, 100 at most.

    Of every pixel at the photo's own size. 100 where the background is identical, or where the
    mask leaves none.
    """
    if pair.same_background:
        return CAP
    sums = np.sum([_squares(pair, part) for part in pair.bands()], axis=0)
    error = sums[0] / (3 * sums[1])
    return min(CAP, 10 * float(np.log10(255**2 / error)))


def _squares(pair: Pair, part: Region) -> tuple[float, float]:
    """Sum of squared differences outside of the mask, and the number of pixels there."""
    outside = pair.outside(part).astype(np.float32)
    before, after = pair.seen(part)
    total = 0.0
    for channel in range(3):
        difference = before[..., channel].astype(np.float32) - after[..., channel]
        total += float(np.sum(difference * difference * outside, dtype=np.float64))
    return total, float(outside.sum())
