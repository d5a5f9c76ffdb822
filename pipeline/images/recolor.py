"""The edit's colours under the photo's own detail. Knows no mask's outline and no model.

Shapes: H W the photo's sides, h w those of the grid on which photo and edit are compared.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipeline.diffusion.refine import box
from pipeline.images.picture import Pixels

Floats = NDArray[np.float32]
Shares = tuple[tuple[float, float], tuple[float, float]]
"""A part of a picture: from where to where down and across, as shares of its sides."""

RADIUS = 0.04
"""Of the window of a local fit, share of the short side."""
COLOUR_RIDGE, SHIFT_RIDGE = 0.002, 0.006
"""Variances (of sRGB in 0..1) below which a difference of the photo is texture, not an edge:
for the edit's colour, and higher for its lightness, which must not undo the photo's texture."""
SOLID = 0.02
"""Luminance below which the edit's chroma is scaled less: black has no hue to amplify."""

_LUMA = np.array([0.2126, 0.7152, 0.0722], np.float32)  # of linear sRGB (ITU-R BT.709)
_STEPS = np.arange(256) / 255.0
_LINEAR = np.where(_STEPS <= 0.04045, _STEPS / 12.92, ((_STEPS + 0.055) / 1.055) ** 2.4)
_LINEAR = _LINEAR.astype(np.float32)
_LEVELS = np.arange(65536) / 65535.0
_COMPANDED = np.where(_LEVELS <= 0.0031308, _LEVELS * 12.92, 1.055 * _LEVELS ** (1 / 2.4) - 0.055)
_COMPANDED = (_COMPANDED * 255 + 0.5).astype(np.uint8)


@dataclass(frozen=True)
class Recolouring:
    """Local affine maps from the photo's colour (and 1) to what the edit makes of it.

    `maps` is (4, 4, h', w'), a part of a grid of (h, w) that begins at `origin`: of each of four
    outputs, the factors of the photo's R, G, B in 0..1 and a constant. The first three outputs are
    the edit's colour, the last is L(edit) − L(photo), L the cube root of luminance.

    It is a guided filter (He, Sun and Tang 2010, section 3.4) with the photo as its guide, fitted
    within the mask: the map has the photo's edges, though the edit is blurred or coarse, and
    texture too weak to be an edge stays out of it.
    """

    maps: Floats
    origin: tuple[int, int]
    grid: tuple[int, int]

    @classmethod
    def fit(
        cls, before: Pixels, after: Pixels, inside: NDArray[np.uint8], share: Shares
    ) -> Recolouring:
        """Of the photo and its edit, (h, w, 3), where `inside`, (h, w), is above 0.

        It can be applied to the part of the photo that is told.
        """
        height, width = inside.shape
        radius = max(1, round(RADIUS * min(inside.shape)))
        part = tuple(
            slice(max(0, int(first * n) - 2 * radius - 1), int(last * n) + 2 * radius + 2)
            for (first, last), n in zip(share, inside.shape, strict=True)
        )
        before, after, inside = before[part], after[part], inside[part]
        shift = _lightness(after) - _lightness(before)
        target = np.concatenate([after / np.float32(255), shift[..., None]], axis=-1)
        guide_3hw, target_4hw, weight_1hw = map(
            _planes, (before / 255, target, inside[..., None] / 255)
        )
        maps = np.asarray(_guided(guide_3hw, target_4hw, weight_1hw, radius))
        return cls(maps, (part[0].start, part[1].start), (height, width))

    def applied(self, photo: Pixels, rows: slice, columns: slice) -> Pixels:
        """(3, H', W') of that part of `photo`, (H, W, 3), recoloured.

        The maps change so slowly that rows within a third of a cell share one.
        """
        share = max(1, round(len(photo) / self.grid[0] / 3))
        first = rows.start // share * share  # groups of rows are the photo's, not the part's
        down = self._cells(slice(first, rows.stop), photo.shape[0], 0, share)
        across = self._cells(columns, photo.shape[1], 1, 1)
        maps = _between(_between(self.maps, down, 2), across, 3)
        planes = np.ascontiguousarray(photo[rows, columns].transpose(2, 0, 1))
        value = _mapped(maps, planes, share, first - rows.start)
        edit = [(v.clip(0, 1) * np.float32(255) + np.float32(0.5)).astype(np.uint8) for v in value]
        return _relit(planes, edit[:3], value[3])

    def _cells(self, part: slice, length: int, axis: int, share: int) -> Floats:
        """Where the middles of `part`'s groups of `share` pixels lie in the maps, in cells."""
        middles = np.arange(part.start, part.stop, share) + share / 2
        at = middles * self.grid[axis] / length - 0.5 - self.origin[axis]
        return at.clip(0, self.maps.shape[2 + axis] - 1).astype(np.float32)


def _planes(values: NDArray[np.floating]) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values.transpose(2, 0, 1), dtype=np.float32))


def _guided(guide_3hw: Tensor, target_4hw: Tensor, weight_1hw: Tensor, radius: int) -> Tensor:
    """(4, 4, h, w) ridge regressions target ≈ map · [guide, 1] in windows, averaged by windows."""

    weights_1hw = box(weight_1hw, radius) + 1e-4

    def mean(x: Tensor) -> Tensor:  # (..., h, w)
        return (box((x * weight_1hw[0]).flatten(0, -3), radius) / weights_1hw).view(x.shape)

    guide, target = mean(guide_3hw), mean(target_4hw)
    spread = mean(guide_3hw[:, None] * guide_3hw) - guide[:, None] * guide
    shared = mean(guide_3hw[:, None] * target_4hw) - guide[:, None] * target
    spread, shared = spread.permute(2, 3, 0, 1), shared.permute(2, 3, 0, 1)
    colour = torch.linalg.solve(spread + COLOUR_RIDGE * torch.eye(3), shared[..., :3])
    shift = torch.linalg.solve(spread + SHIFT_RIDGE * torch.eye(3), shared[..., 3:])
    slope = torch.cat([colour, shift], dim=-1)
    offset = target.permute(1, 2, 0) - torch.einsum("ihw,hwik->hwk", guide, slope)
    maps = torch.cat([slope, offset[:, :, None]], dim=2)
    return mean(maps.permute(3, 2, 0, 1)).contiguous()


def _between(values: Floats, at: Floats, axis: int) -> Floats:
    """`values` interpolated along `axis` at the places `at`."""
    low = at.astype(int)
    share = (at - low).astype(np.float32).reshape(-1, *[1] * (values.ndim - axis - 1))
    below = values.take(low, axis, mode="clip")
    above = values.take(low + 1, axis, mode="clip")
    above -= below
    above *= share
    above += below
    return above


def _mapped(maps: Floats, planes: Pixels, share: int, first: int) -> list[Floats]:
    """Four (H', W') of `planes` (3, H', W') under `maps` (4, 4, groups, W').

    Each row of the maps serves a group of `share` rows, the first from row `first`, which is ≤ 0.
    """
    levels = planes.astype(np.float32)
    levels *= np.float32(1 / 255)
    values = [np.empty_like(levels[0]) for _ in maps]
    for rows, group in _groups(maps, planes.shape[1], share, first):
        for value, (red, green, blue, constant) in zip(values, group, strict=True):
            made = np.multiply(levels[0, rows], red, out=value[rows])
            made += levels[1, rows] * green
            made += levels[2, rows] * blue
            made += constant
    return values


def _groups(maps: Floats, height: int, share: int, first: int) -> Iterator[tuple[slice, Floats]]:
    """Rows, and the maps that serve them: (4, 4, W'), or (4, 4, H', W') of all where none share."""
    if share == 1:
        yield slice(height), maps
        return
    for row, top in enumerate(range(first, height, share)):
        yield slice(max(0, top), top + share), maps[:, :, row]


def _relit(planes: Pixels, edit: Sequence[Pixels], shift: Floats) -> Pixels:
    """The edit's chroma at luminance (L(photo) + shift)³, in linear light; all (3, H', W').

    Scaling linear RGB keeps its chromaticity as shading does; what leaves the gamut is mixed with
    the grey of the same luminance, so highlights turn white instead of shifting their hue.
    """
    target = _luma([_linear(plane) for plane in planes])
    np.cbrt(target, out=target)
    target += shift
    np.clip(target, 0, 1, out=target)
    target *= target * target
    chroma = [_linear(plane) for plane in edit]
    luma = _luma(chroma)
    gain = (target + np.float32(SOLID)) / (luma + np.float32(SOLID))
    for plane in chroma:
        plane -= luma
        plane *= gain
    least = np.float32(1e-6)
    highest = np.maximum(np.maximum(*chroma[:2]), chroma[2])
    reach: Floats = np.asarray((1 - target) / np.maximum(highest, least), np.float32)
    lowest = np.minimum(np.minimum(*chroma[:2]), chroma[2])
    np.minimum(reach, target / np.maximum(-lowest, least), out=reach)
    np.minimum(reach, 1, out=reach)
    return np.stack([_companded(plane * reach + target) for plane in chroma])


def _linear(plane: Pixels) -> Floats:
    return np.asarray(_LINEAR.take(plane, mode="clip"))


def _luma(linear: Sequence[Floats]) -> Floats:
    return np.asarray(linear[0] * _LUMA[0] + linear[1] * _LUMA[1] + linear[2] * _LUMA[2])


def _lightness(rgb: Pixels) -> Floats:
    return np.asarray(np.cbrt(_LINEAR[rgb] @ _LUMA))


def _companded(linear: Floats) -> Pixels:
    levels = (linear.clip(0, 1) * np.float32(65535) + np.float32(0.5)).astype(np.uint16)
    return np.asarray(_COMPANDED.take(levels, mode="clip"))
