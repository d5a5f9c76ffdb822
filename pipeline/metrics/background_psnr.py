"""How unchanged the background is, pixel by pixel. Knows no structure."""

from __future__ import annotations

import numpy as np

from pipeline.metrics._pair import Pair

CAP = 100.0


def score(pair: Pair) -> float:
    """Peak signal-to-noise ratio in dB outside of the mask, 100 at most.

    100 where the background is identical, or where the mask leaves none.
    """
    difference = pair.source[pair.outside].astype(np.float64) - pair.edited[pair.outside]
    error = float(np.mean(difference**2)) if difference.size else 0.0
    return CAP if error == 0 else min(CAP, 10 * float(np.log10(255**2 / error)))
