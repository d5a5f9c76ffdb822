"""How much the edited region changed to the eye. Knows not whether the change is the right one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def score(source: NDArray[np.uint8], edited: NDArray[np.uint8], mask: NDArray[np.uint8]) -> float:
    """Mean CIEDE2000 colour difference inside of the mask; 2 is just visible, 50 another colour.

    `source`, `edited`: (H, W, 3) RGB; `mask`: (H, W), above 0 where edited. 0 where it is empty.
    """
    from skimage.color import deltaE_ciede2000, rgb2lab

    inside = mask > 0
    if not inside.any():
        return 0.0
    before, after = rgb2lab(source[inside]), rgb2lab(edited[inside])
    return float(np.mean(deltaE_ciede2000(before, after)))  # type: ignore[no-untyped-call]
