"""How unchanged the background is in structure (Wang et al. 2004). Knows no colour space."""

from __future__ import annotations

import numpy as np

from pipeline.metrics._pair import Pair, Region

WINDOW = 7


def score(pair: Pair) -> float:
    """Mean structural similarity outside of the mask, 1 where nothing changed.

    At the photo's own size; of 16 tiles of 128 × 128 spread over it, where it is larger than they
    are together and its background is not identical. The edit itself counts as unchanged, so that
    windows across the mask's edge see the background alone. 1 where the mask leaves no background;
    a side below 7 pixels is mirrored to fill a window.
    """
    if pair.same_background:
        return 1.0
    height, width = pair.mask.shape
    found = [_similarity(pair, tile) for tile in pair.tiles((slice(0, height), slice(0, width)))]
    values = np.concatenate(found)
    return float(values.mean()) if values.size else 1.0


def _similarity(pair: Pair, part: Region) -> np.ndarray:
    from skimage.metrics import structural_similarity

    source, edited = pair.seen(part)
    outside = pair.outside(part)
    background = np.where(outside[..., None], edited, source)
    height, width = outside.shape
    room = [(0, max(0, WINDOW - height)), (0, max(0, WINDOW - width)), (0, 0)]
    padded = [np.pad(image, room, mode="symmetric") for image in (source, background)]
    _, similarity = structural_similarity(  # type: ignore[no-untyped-call]
        *padded, win_size=WINDOW, channel_axis=2, full=True
    )
    return np.asarray(similarity[:height, :width][outside])
