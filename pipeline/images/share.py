"""How much of one body colour is in each pixel. Knows no target and no outline.

Pixels are `Planes`: R, G and B, (N,) each, in linear light.
"""

from __future__ import annotations

import math

import numpy as np

from pipeline.images.light import LUMA, Floats

FAINT, SURE = 0.08, 0.3
"""Chroma over luminance of a body: up to the one, highlights can't be told from it by their lack of
chroma; from the other on they can."""
MOST = 2.0
"""Times the body's luminance that its own light reaches, where that can't be told by chroma."""
SLACK = 0.02
"""Share of its luminance that a pixel may lack of the body's chroma: a rounded channel is no
highlight, and on black would be grey."""
PRINT = 0.6
"""Chroma over luminance of a pixel that is no part of a body without chroma."""
DIM = 0.05
"""Luminance below which chroma over luminance is noise."""

Planes = list[Floats]
"""R, G and B of pixels, (N,) each."""


def planes(light: Floats) -> Planes:
    return list(np.ascontiguousarray(light.T))


def share_of(light: Planes, body: Floats, luma: Floats | None = None) -> Floats:
    """s, (N,): how much of the body colour is in each pixel; never more than its luminance.

    By its chroma along the body's, for what lies on a body or beside it has another. A body without
    chroma: all its luminance, unless it has chroma itself, so that a coloured print stays, and but
    for shine, which lies over the body as a mixture with white. `luma` is theirs, if it is at hand.
    """
    own = max(float(body @ LUMA), 1e-4)
    chroma, trust = body - np.float32(own), chromatic(body)
    square = float(chroma @ chroma)
    luma = weighted(light, LUMA) if luma is None else luma
    most = luma / np.float32(own)
    share = np.zeros_like(most)
    if trust:
        # Of three primaries' chroma along the body's, weighted: the grey in a pixel has none.
        along = (chroma - chroma.sum() * LUMA) / np.float32(max(square, 1e-9))
        by_chroma = weighted(light, along + np.float32(SLACK / own) * LUMA)
        np.clip(by_chroma, 0, most, out=by_chroma)
        if trust == 1:
            return np.asarray(by_chroma)
        share += np.float32(trust) * by_chroma
    if trust < 1:
        foreign = np.sqrt(squares(beside(light, luma, most, body)))
        foreign /= most * np.float32(own) + np.float32(DIM)
        own_hue = np.clip((PRINT - foreign) / np.float32(PRINT - FAINT), 0, 1)
        bare = np.minimum(most, np.float32(MOST)) * own_hue
        bare -= bare * shine(most, own)
        share += np.float32(1 - trust) * bare
    return share


def chromatic(body: Floats) -> float:
    """0..1: how far the chroma of a body says what is of it; 0 for white, grey and black."""
    own = float(body @ LUMA)
    chroma = math.hypot(*(body - np.float32(own)).tolist()) / (max(own, 1e-4) + DIM)
    return min(1.0, max(0.0, (chroma - FAINT) / (SURE - FAINT)))


def shine(most: Floats, own: float) -> Floats:
    """(N,) in 0..1: the white in pixels whose luminance is `most` times the body's, which is `own`.

    0 up to where the body's own light reaches.
    """
    top = np.float32(MOST * own)
    white = (most * np.float32(own) - top) / np.maximum(1 - top, np.float32(1e-3))
    return np.asarray(np.clip(white, 0, 1))


def weighted(light: Planes, weights: Floats) -> Floats:
    total = light[0] * weights[0]
    total += light[1] * weights[1]
    total += light[2] * weights[2]
    return np.asarray(total)


def squares(planes: Planes) -> Floats:
    total = planes[0] * planes[0]
    total += planes[1] * planes[1]
    total += planes[2] * planes[2]
    return np.asarray(total)


def beside(light: Planes, luma: Floats, share: Floats, body: Floats) -> Planes:
    """The chroma of pixels but for that of a share of the body's."""
    chroma = body - body @ LUMA
    return [plane - luma - share * own for plane, own in zip(light, chroma, strict=True)]
