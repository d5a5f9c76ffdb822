"""The mask's outline, fitted to the picture's own edges. Knows no network.

The network says where, blurred and in cells of f pixels; the picture says where things end.

Shapes: T masks, I pictures, C H W their channels and sides, h w the sides of their latents.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

RIDGE = 1e-3
"""Variance of a picture in [0, 1] below which there is no edge to follow (the paper's ε)."""
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
    """(T, H, W) the targets as locally linear functions of the guide (He et al., eq. 14 to 16)."""
    means_CHW, means_THW = box(guide_CHW, radius), box(target_THW, radius)
    spread = _box_pairs(guide_CHW, guide_CHW, radius) - means_CHW[:, None] * means_CHW
    shared = _box_pairs(guide_CHW, target_THW, radius) - means_CHW[:, None] * means_THW
    ridge = RIDGE * torch.eye(len(guide_CHW), device=guide_CHW.device)
    slope_HWCT = torch.linalg.solve(spread.permute(2, 3, 0, 1) + ridge, shared.permute(2, 3, 0, 1))
    offset_THW = means_THW - torch.einsum("hwct,chw->thw", slope_HWCT, means_CHW)
    slope_CTHW = box(slope_HWCT.permute(2, 3, 0, 1).flatten(0, 1), radius).view_as(shared)
    return (slope_CTHW * guide_CHW[:, None]).sum(0) + box(offset_THW, radius)


def _box_pairs(a_AHW: Tensor, b_BHW: Tensor, radius: int) -> Tensor:
    """(A, B, H, W) means of the products of each a with each b."""
    pairs_ABHW = a_AHW[:, None] * b_BHW
    return box(pairs_ABHW.flatten(0, 1), radius).view_as(pairs_ABHW)


def box(x_CHW: Tensor, radius: int) -> Tensor:
    """Means of windows of 2·radius + 1, smaller at the picture's border."""
    height, width = x_CHW.shape[-2:]
    # Two matrix products: pooling is slow where windows are large.
    down_HH, across_WW = (_windows(side, radius).to(x_CHW.device) for side in (height, width))
    return down_HH @ x_CHW @ across_WW.T


def _windows(side: int, radius: int) -> Tensor:
    """(side, side) row i averages what lies within `radius` of i."""
    at = torch.arange(side)
    inside = (at[:, None] - at).abs() <= radius
    return inside / inside.sum(1, keepdim=True)
