"""How unchanged the background is in structure (Wang et al. 2004). Knows no colour space."""

from __future__ import annotations

import numpy as np

from pipeline.metrics._pair import Pair

WINDOW = 7


def score(pair: Pair) -> float:
    """Mean structural similarity outside of the mask, 1 where nothing changed.

    The edit itself counts as unchanged, so that windows across the mask's edge see the background
    alone. 1 where the mask leaves no background; a side below 7 pixels is mirrored to fill a
    window.
    """
    from skimage.metrics import structural_similarity

    if not pair.outside.any():
        return 1.0
    background = np.where(pair.outside[..., None], pair.edited, pair.source)
    height, width = pair.outside.shape
    room = [(0, max(0, WINDOW - height)), (0, max(0, WINDOW - width)), (0, 0)]
    padded = [np.pad(image, room, mode="symmetric") for image in (pair.source, background)]
    _, similarity = structural_similarity(  # type: ignore[no-untyped-call]
        *padded, win_size=WINDOW, channel_axis=2, full=True
    )
    return float(similarity[:height, :width][pair.outside].mean())
