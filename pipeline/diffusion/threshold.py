"""Where to cut a map, found for each from itself and its picture. Knows no network.

Shapes: T maps, K cuts, I pictures, C H W their channels and sides, h w the sides of the maps.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from pipeline.diffusion.mask import means, soft
from pipeline.diffusion.refine import refined

STEP, REACH = 0.1, 10
"""Cuts are tried at e^(k·STEP) times the half level, k from −REACH to REACH."""
TRUST = 0.5
"""Standard deviation, in the logarithm of the cut, of how far the half level may be off."""
GRAIN = 4
"""Pixels a cell to each side at which outlines are compared."""
SMALL = 0.02
"""Share of the picture below which an area's relative change counts less."""


def automatic(
    map_Thw: Tensor,
    pictures_ICHW: Tensor,
    images: Sequence[int],
    cells: int,
    weights: Sequence[Tensor | None] | None = None,
) -> Tensor:
    """(T,) the cut of each map, in the map's own unit; NaN where the map is.

    Among cuts around half of the level inside, the one where the outline on the picture's edges
    moves least with the cut: ordinary edges of the picture hold it there (maximally stable
    extremal regions, Matas et al. 2002, of the refined mask in place of grey levels). Without
    `cells` there is no outline to judge, and it is the half level. Pictures are in [-1, 1].
    `weights`, (h, w) of each map, say how much of a cell counts; None: all of all.
    """
    weights = weights or [None] * len(map_Thw)
    half_T = half_levels(map_Thw, weights)
    if not cells:
        return half_T
    height, width = map_Thw.shape[1:]
    small_ICHW = F.adaptive_avg_pool2d(pictures_ICHW, (GRAIN * height, GRAIN * width))
    # One at a time: what the cuts of all would hold is many pictures a target.
    factors = [
        _most_stable(map_hw, half, small_ICHW[[image]], cells, weight)
        for map_hw, half, image, weight in zip(map_Thw, half_T, images, weights, strict=True)
    ]
    return half_T * torch.stack(factors)


def half_levels(map_Thw: Tensor, weights: Sequence[Tensor | None] | None = None) -> Tensor:
    """(T,) half of Σm² / Σm, above 0: the mean that a map weighs by itself is its level inside."""
    inside = means(map_Thw.square(), weights) / means(map_Thw, weights).clamp(min=1e-12)
    return (inside / 2).clamp(min=1e-12)


def _most_stable(
    map_hw: Tensor, half: Tensor, picture_1CHW: Tensor, cells: int, weight_hw: Tensor | None
) -> Tensor:
    """The factor of `half` at which the area within the outline changes least, relative to it."""
    steps_K = torch.arange(-REACH - 1, REACH + 2, device=map_hw.device) * STEP
    cuts_K11 = (half * steps_K.exp())[:, None, None]
    soft_Khw = soft(map_hw[None], cuts_K11, 0)
    outlines = refined(soft_Khw, picture_1CHW, [0] * len(steps_K), cells)
    inside = (outlines > 0.5).float()
    if weight_hw is not None:
        inside = inside * F.interpolate(weight_hw[None, None], inside.shape[1:])[0]
    area_K = inside.mean([1, 2])
    change_K = (area_K[:-2] - area_K[2:]).abs() / (2 * STEP) / (area_K[1:-1] + SMALL)
    doubt_K = (steps_K[1:-1] / TRUST).square() / 2
    return steps_K[1:-1][(change_K + doubt_K).argmin()].exp()
