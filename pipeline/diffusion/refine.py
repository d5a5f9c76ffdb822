"""The mask's outline, fitted to the picture's own edges. Knows no network.

The network says where, blurred and in cells of f pixels; the picture says where things end.

Shapes: T masks, I pictures, C H W their channels and sides, h w the sides of their latents.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache, partial

import torch
import torch.nn.functional as F
from torch import Tensor

RIDGE = 1e-3
"""Variance of a picture in [0, 1] below which there is no edge to follow (the paper's ε)."""
PLACES = 8
"""A radius at which the filter's functions are found: with 4, objects lose 0.005 of IoU, with 6,
backgrounds 0.002."""
COVERED = 0.1
"""Share of a cell inside of the outline from which on the cell is edited: an object's rim lies in
cells that are mostly background, and would keep its old look."""


def refined(soft_Thw: Tensor, pictures_ICHW: Tensor, images: Sequence[int], cells: int) -> Tensor:
    """(T, H, W) the soft mask of picture `images[t]`, ½ where it ends, drawn along its edges.

    A guided filter (He, Sun and Tang 2010, section 3.4) whose window reaches `cells` latent cells
    to each side. Pictures are in [-1, 1]. NaN in a mask stays in that mask.
    """
    height, width = pictures_ICHW.shape[-2:]
    soft_1THW = F.interpolate(soft_Thw[None], (height, width), mode="bicubic").clamp(0, 1)
    out_THW = torch.empty_like(soft_1THW[0])
    radius = cells * height // soft_Thw.shape[1]
    for image in set(images):
        of_image = [t for t, i in enumerate(images) if i == image]
        out_THW[of_image] = guided(soft_1THW[0, of_image], pictures_ICHW[image] / 2 + 0.5, radius)
    return out_THW


def covered(outline_THW: Tensor, size: tuple[int, int]) -> Tensor:
    """(T, h, w) bool: the cells that the inside of an outline covers by more than `COVERED`."""
    inside_1THW = (outline_THW > 0.5).float()[None]
    return F.adaptive_avg_pool2d(inside_1THW, size)[0] > COVERED


def guided(target_THW: Tensor, guide_CHW: Tensor, radius: int) -> Tensor:
    """(T, H, W) the targets as locally linear functions of the guide (He et al., eq. 14 to 16).

    The functions are found `PLACES` times a radius and change linearly between (He and Sun 2015,
    "Fast guided filter"): they are means over windows, and vary no faster.
    """
    size = guide_CHW.shape[-2:]
    height, width = (min(side, math.ceil(PLACES * side / radius)) for side in size)
    mean = partial(box, radius=radius, size=(height, width))
    means_Chw, means_Thw = mean(guide_CHW), mean(target_THW)
    spread = _pairs(guide_CHW, guide_CHW, mean) - means_Chw[:, None] * means_Chw
    shared = _pairs(guide_CHW, target_THW, mean) - means_Chw[:, None] * means_Thw
    ridge = RIDGE * torch.eye(len(guide_CHW), device=guide_CHW.device)
    slope_hwCT = torch.linalg.solve(spread.permute(2, 3, 0, 1) + ridge, shared.permute(2, 3, 0, 1))
    offset_Thw = means_Thw - torch.einsum("hwct,chw->thw", slope_hwCT, means_Chw)
    lines_LThw = torch.cat([slope_hwCT.permute(2, 3, 0, 1), offset_Thw[None]])
    smooth = box(lines_LThw.flatten(0, 1), radius * height / size[0])
    lines_LTHW = F.interpolate(smooth[None], size, mode="bilinear").view(-1, *target_THW.shape)
    return (lines_LTHW[:-1] * guide_CHW[:, None]).sum(0) + lines_LTHW[-1]


def _pairs(a_AHW: Tensor, b_BHW: Tensor, mean: Callable[[Tensor], Tensor]) -> Tensor:
    """(A, B, h, w) means of the products of each a with each b."""
    means = mean((a_AHW[:, None] * b_BHW).flatten(0, 1))
    return means.view(len(a_AHW), len(b_BHW), *means.shape[1:])


def box(x_CHW: Tensor, radius: float, size: tuple[int, int] | None = None) -> Tensor:
    """Means of windows that reach `radius` to each side, smaller at the picture's border.

    There is one about each pixel of a grid of `size` over the picture, (C, *size); None: about each
    of its own pixels.
    """
    # Two matrix products: pooling is slow where windows are large.
    sides, device = x_CHW.shape[-2:], x_CHW.device
    down_hH, across_wW = (
        _windows(side, radius, count, device)
        for side, count in zip(sides, size or sides, strict=True)
    )
    return down_hH @ x_CHW @ across_wW.T


@lru_cache(16)
def _windows(side: int, radius: float, count: int, device: torch.device) -> Tensor:
    """(count, side) row i averages what lies within `radius` of the i-th of `count` places."""
    places = (torch.arange(count, dtype=torch.float64) + 0.5) * side / count - 0.5
    inside = (places[:, None] - torch.arange(side)).abs() <= radius
    return (inside / inside.sum(1, keepdim=True)).to(device)
