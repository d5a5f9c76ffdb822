"""A pattern in a second colour, where the new body colour would swallow it. Knows no outline.

Stripes that are paler than the body stay as much paler on a new body colour. On white that leaves
nothing to see, so there they become as much darker. No photo tells which way stripes of another
colour would differ from their ground, only that they do.
"""

from __future__ import annotations

import numpy as np

from pipeline.images.body import Bools
from pipeline.images.light import LUMA, Floats, companded, lab
from pipeline.images.share import Planes, share_of, weighted

TIGHT = 0.12
"""Of the lightness between a product's two colours, how much each may vary (median deviation).

Stripes of scenes vary by up to 0.10; highlights, of any strength from none to full, from 0.27."""
SECOND = (0.1, 0.6)
"""Share of a product that a second colour has."""
LOST = 7.0, 0.6
"""ΔE*ab left between two colours, and its share of what there was: below both one is lost."""
OTHER = 0.5, 0.8
"""Of the pattern's share of body light: what has less than these is another print and stays."""


def lost_on(light: Planes, body: Floats, target: Floats) -> float:
    """Share of the body's light in a pattern that would be lost on the target; 0 if there is none.

    The pattern is paler than the body; `light` is of a product's pixels.
    """
    luma = weighted(light, LUMA)
    share = share_of(light, body, luma)
    own = np.float32(body @ LUMA)
    second = _two_colours(_lightness(luma) - _lightness(share * own))
    if second is None:
        return 0.0
    added = np.float32(np.median((luma - share * own)[second]))
    pairs = (lab(companded(np.stack([base, base + added]))) for base in (body, target))
    before, after = (float(np.linalg.norm(np.diff(pair, axis=0))) for pair in pairs)
    lost = after < LOST[0] and after < LOST[1] * before
    return float(np.median(_own_light(light, share, body)[second])) if lost else 0.0


def _two_colours(contrast: Floats) -> Bools | None:
    """The pixels of the second of two distinct values, (N,); None where they are a range."""
    from skimage.filters import threshold_otsu

    if np.ptp(contrast) < 1:
        return None
    second = np.asarray(contrast > threshold_otsu(contrast))  # type: ignore[no-untyped-call]
    parts = [contrast[~second], contrast[second]]
    middles = [float(np.median(part)) for part in parts]
    spread = [np.median(abs(part - middle)) for part, middle in zip(parts, middles, strict=True)]
    distinct = max(spread) < TIGHT * (middles[1] - middles[0])
    return second if distinct and SECOND[0] < second.mean() < SECOND[1] else None


def _lightness(luma: Floats) -> Floats:
    """CIE L*, of light that is not very dark."""
    return np.asarray(116 * np.cbrt(np.clip(luma, 0, 1)) - 16)


def _own_light(light: Planes, share: Floats, body: Floats) -> Floats:
    """(N,) in 0..1: how much of a pixel's luminance is the body's."""
    luma = np.maximum(weighted(light, LUMA), np.float32(1e-4))
    return np.minimum(1, share * np.float32(body @ LUMA) / luma)


def turn(
    new: Planes, light: Planes, share: Floats, body: Floats, target: Floats, pattern: float
) -> None:
    """Where a pixel is of the body or the pattern, `new` becomes as much darker as it was paler."""
    own = _own_light(light, share, body)
    low, high = (np.float32(pattern * edge) for edge in OTHER)
    of_it = np.clip((own - low) / (high - low), 0, 1)
    lit = own * share
    for plane, colour in zip(new, target, strict=True):
        plane += of_it * (lit * colour - plane)
