"""How unchanged the background is in structure (Wang et al. 2004). Knows no colour space."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

WINDOW = 7


def score(source: NDArray[np.uint8], edited: NDArray[np.uint8], mask: NDArray[np.uint8]) -> float:
    """Mean structural similarity outside of the mask, 1 where nothing changed.

    `source`, `edited`: (H, W, 3) RGB; `mask`: (H, W), above 0 where edited. The edit itself counts
    as unchanged, so that windows across the mask's edge see the background alone. 1 where the mask
    leaves no background; a side below 7 pixels is mirrored to fill a window.
    """
    from skimage.metrics import structural_similarity

    outside = mask == 0
    if not outside.any():
        return 1.0
    background = np.where(outside[..., None], edited, source)
    height, width = mask.shape
    room = [(0, max(0, WINDOW - height)), (0, max(0, WINDOW - width)), (0, 0)]
    pair = [np.pad(image, room, mode="symmetric") for image in (source, background)]
    _, similarity = structural_similarity(  # type: ignore[no-untyped-call]
        *pair, win_size=WINDOW, channel_axis=2, full=True
    )
    return float(similarity[:height, :width][outside].mean())
