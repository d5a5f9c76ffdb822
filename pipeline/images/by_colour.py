"""An outline → one drawn between the colours of its inside and outside. Knows no map, no model.

A map says roughly where. Where its outline strays, the picture's colours still tell: a patch of the
background that is in it looks like what lies outside, a leg of a chair that is not like what lies
inside. So each pixel is asked by Bayes' rule,

    P(inside | colour, place) ∝ P(colour | inside) · P(inside | place),

as GrabCut asks (Rother, Kolmogorov and Blake 2004), with histograms in place of mixtures and a
guided filter in place of the cut. Outside are its colours in shadow too, for a thing throws one
beside it that is like nothing else there.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image
from skimage.filters import gaussian
from torch import Tensor

from pipeline.diffusion.refine import box, guided
from pipeline.images.bucket import to_rgb
from pipeline.images.light import levels, linear
from pipeline.images.picture import Pixels

SIDE = 128
"""Short side at which colours are counted, at most."""
PLACE = 1 / 14
"""Of the short side: how far from the outline a place begins to say for itself where it is."""
DOUBT = 0.0025
"""Probability, at the least, that any place is inside, and that it is not."""
SHIFTS = 4, 3, 3
"""A bin of the histogram is 2^these levels of Y, Cb and Cr."""
SPREAD = 4.0, 0.6, 0.6
"""Bins by which a colour counts for its neighbours: light varies over a thing, its hue hardly."""
SHADOWS = 0.7, 0.5, 0.35
"""Light that is left in a shadow; each is as common outside as full light."""
ROUNDS = 3
"""How often the histograms are taken anew, of what was found."""
FINE = 3 / 128
"""Of the short side: how far the picture's edges reach in the end."""

Floats = NDArray[np.float64]


def redrawn(outline_HW: Tensor, picture_3HW: Tensor) -> Tensor:
    """The (H, W) outline, ½ where it ends, drawn anew on its picture in [-1, 1].

    As it was where it has no inside or no outside, or would have none.
    """
    inside = outline_HW > 0.5
    if not inside.any() or inside.all():
        return outline_HW
    height, width = outline_HW.shape
    scale = min(1.0, SIDE / min(height, width))
    small = round(height * scale), round(width * scale)
    region = F.adaptive_avg_pool2d(inside.float()[None], small)[0].cpu()
    picture = F.adaptive_avg_pool2d(picture_3HW[None], small)[0]
    likely = torch.from_numpy(_likely(region, to_rgb(picture)).astype(np.float32))
    whole = F.interpolate(likely[None, None], (height, width), mode="bilinear")[0]
    radius = max(1, round(FINE * min(height, width)))
    found = guided(whole.to(outline_HW.device), picture_3HW / 2 + 0.5, radius)[0]
    kept = (found > 0.5).any() and not (found > 0.5).all()
    return torch.where(outline_HW.isnan(), outline_HW, found) if kept else outline_HW


def _likely(region_hw: Tensor, picture: Pixels) -> Floats:
    """(h, w) P(inside) of each pixel of a picture, (h, w, 3), whose inside is about the region."""
    reach = max(1, round(PLACE * min(region_hw.shape)))
    place = box(box(region_hw[None], reach), reach)[0].numpy().astype(np.float64)
    place = np.clip(place, DOUBT, 1 - DOUBT)
    colours, shape = _binned(picture)
    light = linear(picture)
    shaded = [_binned(levels(light * np.float32(left)))[0] for left in SHADOWS]
    outer = np.stack([colours, *shaded])
    found = region_hw.numpy().astype(np.float64)
    for _ in range(ROUNDS):
        outside = np.broadcast_to(1 - found, outer.shape)
        ratio = _density(colours, shape, found) / _density(outer, shape, outside)
        odds = ratio[colours] * place / (1 - place)
        found = odds / (1 + odds)
    return np.asarray(found)


def _binned(picture: Pixels) -> tuple[NDArray[np.intp], tuple[int, ...]]:
    """(h, w) the histogram's bin of each pixel, and how many bins there are on each axis."""
    coded = np.asarray(Image.fromarray(picture).convert("YCbCr"))
    shape = tuple(256 >> shift for shift in SHIFTS)
    places = tuple(coded[..., axis] >> shift for axis, shift in enumerate(SHIFTS))
    return np.asarray(np.ravel_multi_index(places, shape)), shape


def _density(colours: NDArray[np.intp], shape: tuple[int, ...], weights: Floats) -> Floats:
    """Of each bin, flat: how common its colour is where the weights are; nowhere quite 0."""
    counts = np.bincount(colours.ravel(), weights.ravel(), minlength=int(np.prod(shape)))
    smooth = gaussian(counts.reshape(shape), SPREAD, mode="constant").ravel()  # type: ignore[no-untyped-call]
    return np.asarray(smooth / smooth.sum() + 1e-4 / colours.size)
