"""How much the edited region changed to the eye. Knows not whether the change is the right one."""

from __future__ import annotations

import numpy as np

from pipeline.metrics._pair import Pair


def score(pair: Pair) -> float:
    """Mean CIEDE2000 colour difference inside of the mask; 2 is just visible, 50 another colour.

    Of pixels at the photo's own size: all, or 65,536 drawn from the mask's box where it has more
    (then within 0.1 of the mean of all). 0 where the mask is empty.
    """
    from skimage.color import deltaE_ciede2000, rgb2lab

    before, after = pair.sample()
    if not len(before):
        return 0.0
    # In single precision, which is exact to 0.001.
    labs = [rgb2lab(np.divide(rgb, 255, dtype=np.float32)) for rgb in (before, after)]
    return float(np.mean(deltaE_ciede2000(*labs)))  # type: ignore[no-untyped-call]
