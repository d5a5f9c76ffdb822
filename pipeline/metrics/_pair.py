"""An edit beside its source, as scores compare them. Knows no score."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from pipeline.images.body import representative
from pipeline.images.light import Floats
from pipeline.images.picture import Picture, Pixels, Plane, over_white

Region = tuple[slice, slice]
"""Rows and columns of both pictures."""
Bools = NDArray[np.bool_]

GRID = 256
SAMPLE = 65_536
"""Pixels drawn from the mask's box, where it has more."""
TILES, SIDE = 16, 128
"""Tiles of that many pixels a side that stand for a larger region."""
BAND = 64


@dataclass(frozen=True)
class Pair:
    """Both pictures, and where the one may differ from the other. They have the same alpha."""

    source: Picture
    edited: Picture
    mask: Plane  # (H, W), above 0 where edited
    may_differ: Plane  # (H, W), above 0 where `edited` may differ: at least where it is edited
    held: bool = False  # whether `edited` was made of `source` by changes inside of `mask` alone
    colour: str | None = None  # #rrggbb that the product was to have

    @cached_property
    def box(self) -> Region:
        """Around the mask; of no pixels where it is empty."""
        return _box(self.mask)

    @cached_property
    def same_background(self) -> bool:
        """Whether no byte differs outside of the mask where anything is seen."""
        if self.held:
            return True
        rows, columns = box = _box(self.may_differ)
        source, edited = self.source.rgb, self.edited.rgb
        across = slice(None)
        around = [(slice(0, rows.start), across), (slice(rows.stop, None), across)]
        around += [(rows, slice(0, columns.start)), (rows, slice(columns.stop, None))]
        return not any(self._differs(part) for part in around) and not any(
            bool((_unequal(source[part], edited[part]) & self.outside(part)).any())
            for part in self._bands(box)
        )

    @cached_property
    def reached(self) -> Floats | None:
        """(3,) sRGB in 0..255, the edit's representative colour; None of an empty mask.

        Of pixels on a grid of about `GRID` on the short side, those that are opaque.
        """
        step = max(1, min(self.mask.shape) // GRID)
        part = slice(None, None, step), slice(None, None, step)
        inside = np.where(self.mask[part] > 0, np.uint8(255), np.uint8(0))
        if self.source.alpha is not None:
            inside = np.where(self.source.alpha[part] == 255, inside, np.uint8(0))
        return representative(self.source.rgb[part], self.edited.rgb[part], inside)

    def _differs(self, part: Region) -> bool:
        if self.source.alpha is None:
            return not np.array_equal(self.source.rgb[part], self.edited.rgb[part])
        unequal = _unequal(self.source.rgb[part], self.edited.rgb[part])
        return bool((unequal & (self.source.alpha[part] > 0)).any())

    def outside(self, part: Region) -> Bools:
        """Of a part of the pictures, (h, w): what may not differ, and is not transparent."""
        outside: Bools = np.asarray(self.may_differ[part] == 0)
        return outside if self.source.alpha is None else outside & (self.source.alpha[part] > 0)

    def seen(self, part: Region) -> tuple[Pixels, Pixels]:
        """That part of both pictures, (h, w, 3), on white."""
        source, edited = self.source.rgb[part], self.edited.rgb[part]
        if self.source.alpha is None:
            return source, edited
        alpha = self.source.alpha[part]
        return over_white(source, alpha), over_white(edited, alpha)

    def sample(self) -> tuple[Pixels, Pixels]:
        """(N, 1, 3) pixels inside of the mask, as seen before and after.

        All, where the mask's box has no more than `SAMPLE`; else the same ones at every call, drawn
        at random: a regular grid would see one thread of a weave.
        """
        rows, columns = self.box
        height, width = rows.stop - rows.start, columns.stop - columns.start
        y, x = np.divmod(_drawn(height * width), max(1, width))
        at = (y + rows.start) * self.mask.shape[1] + x + columns.start
        at = at[self.mask.take(at) > 0]
        before, after = (
            picture.rgb.reshape(-1, 3).take(at, axis=0)[:, None]
            for picture in (self.source, self.edited)
        )
        if self.source.alpha is None:
            return before, after
        alpha = self.source.alpha.take(at)[:, None]
        return over_white(before, alpha), over_white(after, alpha)

    def tiles(self, region: Region) -> list[Region]:
        """The region itself, or `TILES` tiles spread over it, where they are smaller."""
        spans = [range(side.start, side.stop) for side in region]
        if len(spans[0]) * len(spans[1]) <= TILES * SIDE**2:
            return [region]
        count = round(TILES**0.5)
        starts = [
            [span.start + max(0, (2 * i + 1) * len(span) // (2 * count) - SIDE // 2)
             for i in range(count)]
            for span in spans
        ]  # fmt: skip
        return [
            (
                slice(top, min(top + SIDE, spans[0].stop)),
                slice(left, min(left + SIDE, spans[1].stop)),
            )
            for top in starts[0]
            for left in starts[1]
        ]

    def _bands(self, region: Region) -> Iterator[Region]:
        rows, columns = region
        for top in range(rows.start, rows.stop, BAND):
            yield slice(top, min(top + BAND, rows.stop)), columns

    def bands(self) -> Iterator[Region]:
        """Both pictures whole, some rows at a time."""
        return self._bands((slice(0, self.mask.shape[0]), slice(0, self.mask.shape[1])))


def _drawn(count: int) -> NDArray[np.int64]:
    if count <= SAMPLE:
        return np.arange(count)
    # In order, so that the pixels are met as they lie.
    return np.sort(np.random.default_rng(0).integers(0, count, SAMPLE))


def _box(mask: Plane) -> Region:
    sides = []
    for axis in (1, 0):
        touched = np.flatnonzero(mask.any(axis=axis))
        sides.append(slice(int(touched[0]), int(touched[-1]) + 1) if touched.size else slice(0, 0))
    return sides[0], sides[1]


def _unequal(one: Pixels, other: Pixels) -> Bools:
    unequal = one != other
    return np.asarray(unequal[..., 0] | unequal[..., 1] | unequal[..., 2])
