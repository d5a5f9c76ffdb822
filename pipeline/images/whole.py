"""An outline of a thing → one of the whole thing: without holes in it and specks beside it.

Knows no map and no model.
"""

from __future__ import annotations

from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from skimage.color import rgb2lab
from skimage.measure import label
from torch import Tensor

from pipeline.diffusion.region import Tidy
from pipeline.images.bucket import to_rgb
from pipeline.images.by_colour import redrawn
from pipeline.images.picture import Pixels

UNLIKE = 15.0
"""Of a hole's colour in Lab to the nearest tenth of what lies outside: from here on it is the
thing's own. Openings of scenes have up to 13, highlights from 16 (docs/sweep.md)."""
MOST = 0.1
"""Of the region: a hole that is larger is another thing, as in a mask of the background."""
OUTSIDE = 0.25
"""Share of the picture that must lie outside, to tell what it looks like."""
HOLES = 32
"""That are looked at, the largest first: what has more is no outline of a thing."""
SAMPLE = 4096
"""Pixels of the outside that are looked at, about."""

Region = NDArray[np.bool_]


def tidy(by_colour: bool, along_edges: bool, fill: bool, island: float) -> Tidy | None:
    """What mends an outline: it is drawn anew by colour, holes of the thing's own colour are filled
    and parts that are smaller than `island` of the largest dropped. None: nothing is asked for.

    `along_edges`: see `redrawn`.
    """
    if not by_colour:
        return partial(whole, fill=fill, island=island) if fill or island else None
    return lambda outline, picture: whole(
        redrawn(outline, picture, along_edges), picture, fill, island
    )


def whole(outline_HW: Tensor, picture_3HW: Tensor, fill: bool, island: float) -> Tensor:
    """The (H, W) outline, above ½ inside, mended; what was filled is 1, what was dropped is 0."""
    inside = (outline_HW > 0.5).cpu().numpy()
    specks = _specks(inside, island)
    out = outline_HW.masked_fill(_like(specks, outline_HW), 0.0)
    if fill:
        holes = _filled(inside & ~specks, picture_3HW)
        out = out.masked_fill(_like(holes, outline_HW), 1.0)
    return out


def _like(region: Region, outline_HW: Tensor) -> Tensor:
    return torch.from_numpy(region).to(outline_HW.device)


def _specks(inside: Region, island: float) -> Region:
    """The parts of `inside` that are too small, touching corners counted as joined."""
    parts = _parts(inside, 2)
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    return np.asarray((sizes < island * sizes.max())[parts] & inside)


def _filled(inside: Region, picture_3HW: Tensor) -> Region:
    """The holes in `inside` that are to be filled."""
    parts = _parts(~inside, 1)
    border = np.unique(np.concatenate([parts[0], parts[-1], parts[:, 0], parts[:, -1]]))
    outside = np.isin(parts, border[border > 0])
    sizes = np.bincount(parts.ravel())
    sizes[[0, *border]] = 0
    sizes[sizes >= MOST * inside.sum()] = 0
    largest = [part for part in np.argsort(-sizes)[:HOLES] if sizes[part]]
    filled = np.zeros_like(inside)
    if not largest or outside.mean() < OUTSIDE:
        return filled
    rgb = to_rgb(picture_3HW)
    pixels = rgb[outside]
    beyond = _lab(pixels[:: max(1, len(pixels) // SAMPLE)])
    for part in largest:
        hole = parts == part
        if _distance(_lab(rgb[hole]), beyond) > UNLIKE:
            filled |= hole
    return filled


def _parts(region: Region, connectivity: int) -> NDArray[np.int64]:
    return np.asarray(label(region, connectivity=connectivity))  # type: ignore[no-untyped-call]


def _lab(pixels: Pixels) -> NDArray[np.float64]:
    return np.asarray(rgb2lab(pixels[None])[0])


def _distance(hole: NDArray[np.float64], beyond: NDArray[np.float64]) -> float:
    """From a hole's median colour to the nearest tenth of the colours `beyond`."""
    apart = np.linalg.norm(beyond - np.median(hole, axis=0), axis=1)
    return float(np.percentile(apart, 10))
