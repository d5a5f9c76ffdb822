"""An outline → one drawn between the colours of its inside and outside. Knows no map, no model.

A map says roughly where. Where its outline strays, the picture's colours still tell: a patch of the
background that is in it looks like what lies outside, a leg of a chair that is not like what lies
inside. So each pixel is asked by Bayes' rule,

    P(inside | colour, place) ∝ P(colour | inside) · P(inside | place),

as GrabCut asks (Rother, Kolmogorov and Blake 2004), with histograms in place of mixtures. Outside
are its colours in shadow too, for a thing throws one beside it that is like nothing else there.
Where the outline has to be a product's own, it is cut along the picture's edges, as there; a guided
filter alone leaves it the room that another thing in its place needs.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from PIL import Image
from scipy.special import expit, logit
from skimage.filters import gaussian
from torch import Tensor

from pipeline.diffusion.refine import box, guided
from pipeline.images.bucket import to_rgb
from pipeline.images.cut import Edges, cut
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
MARGIN = round(4 * max(SPREAD[1:]))
"""Bins of chroma that such a colour counts for on either side: there a Gaussian ends."""
SHADOWS = 0.7, 0.5, 0.35
"""Light that is left in a shadow; each is as common outside as full light."""
ROUNDS = 3
"""How often the histograms are taken anew, of what was found."""
CUTS, CUT_SHIFTS, CUT_DOUBT = 2, (4, 2, 2), 0.4
"""Along edges: how often the region is cut; its bins; and the doubt that a place well inside is, so
that a patch of the ground that came into the mask goes, however large."""
FINE = 3 / 128
"""Of the short side: how far the picture's edges reach in the end."""

Bins = NDArray[np.intp]
Floats = NDArray[np.float64]
Shifts = tuple[int, int, int]


def redrawn(outline_HW: Tensor, picture_3HW: Tensor, along_edges: bool) -> Tensor:
    """The (H, W) outline, ½ where it ends, drawn anew on its picture in [-1, 1].

    `along_edges`: as the thing's own, rather than with room around it. As it was where it has no
    inside or no outside, or would have none.
    """
    inside = outline_HW > 0.5
    if not inside.any() or inside.all():
        return outline_HW
    height, width = outline_HW.shape
    scale = min(1.0, SIDE / min(height, width))
    small = round(height * scale), round(width * scale)
    region = F.adaptive_avg_pool2d(inside.float()[None], small)[0].cpu()
    picture = F.adaptive_avg_pool2d(picture_3HW[None], small)[0]
    likely = _likely(region, to_rgb(picture), along_edges)
    new = torch.from_numpy(likely.astype(np.float32))
    whole = F.interpolate(new[None, None], (height, width), mode="bilinear")[0]
    radius = max(1, round(FINE * min(height, width)))
    found = guided(whole.to(outline_HW.device), picture_3HW / 2 + 0.5, radius)[0]
    kept = (found > 0.5).any() and not (found > 0.5).all()
    return torch.where(outline_HW.isnan(), outline_HW, found) if kept else outline_HW


def _likely(region_hw: Tensor, picture: Pixels, along_edges: bool) -> Floats:
    """(h, w) P(inside) of each pixel of a picture, (h, w, 3), whose inside is about the region."""
    shifts, doubt = (CUT_SHIFTS, CUT_DOUBT) if along_edges else (SHIFTS, DOUBT)
    odds = partial(_odds, *_colours(picture, shifts), place=_place(region_hw, doubt))
    found = region_hw.numpy().astype(np.float64)
    for _ in range(ROUNDS):
        found = expit(odds(found))
    return _cut(np.asarray(found), odds, Edges.of(picture)) if along_edges else np.asarray(found)


def _cut(found: Floats, odds: Callable[[Floats], Floats], edges: Edges) -> Floats:
    """(h, w) what was found, cut along the edges; as it is where nothing or all would be inside."""
    for _ in range(CUTS):
        region = cut(odds(found), edges)
        if not region.any() or region.all():
            break
        found = region.astype(np.float64)
    return found


def _place(region_hw: Tensor, doubt: float) -> Floats:
    """(h, w) log odds that a place is inside, by how far it is from the outline; `doubt`: that one
    well inside is not."""
    reach = max(1, round(PLACE * min(region_hw.shape)))
    near = box(box(region_hw[None], reach), reach)[0].numpy().astype(np.float64)
    return np.asarray(logit(np.clip(near, DOUBT, 1 - doubt)))


def _colours(picture: Pixels, shifts: Shifts) -> tuple[Bins, Bins, tuple[int, ...]]:
    """The bins of a picture, (h, w), those of it in each light, (L, h, w), and the bins on each
    axis: of chroma no more than there are."""
    light = linear(picture)
    shaded = [_coded(levels(light * np.float32(left)), shifts) for left in SHADOWS]
    coded = np.stack([_coded(picture, shifts), *shaded], axis=1)
    coded[1:] -= coded[1:].min((1, 2, 3), keepdims=True) - MARGIN
    most = coded[1:].max((1, 2, 3)) + MARGIN + 1
    shape = 256 >> shifts[0], int(most[0]), int(most[1])
    lights = np.asarray(np.ravel_multi_index(tuple(coded), shape))
    return lights[0], lights, shape


def _coded(picture: Pixels, shifts: Shifts) -> Bins:
    """(3, h, w) the bins of Y, Cb and Cr of each pixel."""
    coded = np.asarray(Image.fromarray(picture).convert("YCbCr"), np.intp)
    return np.asarray(coded.transpose(2, 0, 1) >> np.array(shifts)[:, None, None])


def _odds(
    colours: Bins, lights: Bins, shape: tuple[int, ...], found: Floats, *, place: Floats
) -> Floats:
    """(h, w) log odds of each pixel to be inside, by its colour and its place."""
    outside = np.broadcast_to(1 - found, lights.shape)
    ratio = _density(colours, shape, found) / _density(lights, shape, outside)
    return np.asarray(np.log(ratio[colours]) + place)


def _density(colours: Bins, shape: tuple[int, ...], weights: Floats) -> Floats:
    """Of each bin, flat: how common its colour is where the weights are; nowhere quite 0."""
    counts = np.bincount(colours.ravel(), weights.ravel(), minlength=int(np.prod(shape)))
    smooth = gaussian(counts.reshape(shape), SPREAD, mode="constant").ravel()  # type: ignore[no-untyped-call]
    return np.asarray(smooth / smooth.sum() + 1e-4 / colours.size)
