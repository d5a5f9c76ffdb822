"""The body colour of a product: which of its pixels show it, and what they have in common.

A product's pixels are its body under more or less light, highlights, prints, trims and, at its
outline, some background. Its **representative colour** is the median, channel by channel of sRGB,
of its *body pixels* in the photo: well inside of the mask, of its fullest chroma (no highlight, no
paler second colour), and of these the ones between the 40th and the 80th percentile of luminance
(no shade, no glare).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from pipeline.images.light import LUMA, Floats, linear
from pipeline.images.picture import Pixels, Plane

Bools = NDArray[np.bool_]

RIM = 3 / 128
"""Share of the short side that is not well inside: an edit's cells and the outline's error."""
FULL = 0.85
"""Share of the fullest chroma (over luminance) from which on a pixel has no highlight on it."""
FULLEST = 60
"""Percentile of chroma that is called the fullest: a print of a few pixels is not the product."""
GREY = 0.15
"""Chroma over luminance below which a product is white, grey or black, and any pixel is as full."""
LIT = (40, 80)
"""Percentiles of luminance between which a body is lit as a picture of it should be."""
DARK = 0.005
"""Luminance below which chroma over luminance is noise."""


def well_inside(inside: Plane) -> Bools:
    """(h, w) of a mask's pixels those off its outline; all, where it is thinner than that."""
    whole = inside > 127
    for share in (1, 0.5):
        reach = round(RIM * share * min(inside.shape))
        blurred = Image.fromarray(whole.astype(np.uint8) * 255).filter(ImageFilter.BoxBlur(reach))
        core = np.asarray(np.asarray(blurred) == 255)
        if core.sum() >= 0.2 * whole.sum():
            return core
    return np.asarray(whole)


def body_pixels(light: Floats) -> Bools:
    """Which of a product's pixels, (N, 3) in linear light, show its body; at least one of N ≥ 1."""
    luma = light @ LUMA
    chroma = np.linalg.norm(light - luma[:, None], axis=1) / (luma + DARK)
    lit = luma >= np.percentile(luma, 10)
    fullest = np.percentile(chroma[lit], FULLEST)
    full = lit & (chroma >= FULL * fullest) if fullest > GREY else lit
    found = full & _lit(luma, full)
    return np.asarray(found if found.any() else full)


def _lit(luma: Floats, among: Bools) -> Bools:
    """Those of the pixels `among` that are neither in shade nor at their brightest."""
    low, high = np.percentile(luma[among], LIT)
    return np.asarray((luma >= low) & (luma <= high))


def representative(photo: Pixels, picture: Pixels, inside: Plane) -> Floats | None:
    """The representative colour, (3,) sRGB in 0..255, of `picture`; None where the mask is empty.

    `photo` says which pixels show the body: of it or of an edit of it, (h, w, 3) both; `inside`,
    (h, w), is above 127 in the product.
    """
    core = well_inside(inside)
    if not core.any():
        return None
    shown = body_pixels(linear(photo[core]))
    return np.asarray(np.median(picture[core][shown], axis=0), np.float32)
