"""How much the edited region changed to the eye. Knows not whether the change is the right one."""

from __future__ import annotations

import numpy as np

from pipeline.metrics._pair import Pair


def score(pair: Pair) -> float:
    """Mean CIEDE2000 colour difference inside of the mask; 2 is just visible, 50 another colour.

    0 where the mask is empty.
    """
    from skimage.color import deltaE_ciede2000, rgb2lab

    if not pair.inside.any():
        return 0.0
    before, after = rgb2lab(pair.source[pair.inside]), rgb2lab(pair.edited[pair.inside])
    return float(np.mean(deltaE_ciede2000(before, after)))  # type: ignore[no-untyped-call]
