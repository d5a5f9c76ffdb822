"""A decoded picture: its colours, and how much each pixel is seen. Knows no file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
"""(H, W, 3) sRGB."""
Plane = NDArray[np.uint8]
"""(H, W)."""


@dataclass(frozen=True)
class Picture:
    """8-bit sRGB, and its opacity if any of it can be seen through."""

    rgb: Pixels  # (H, W, 3); not multiplied by alpha
    alpha: Plane | None = None  # (H, W), 255 opaque; None: all of it is

    @property
    def size(self) -> tuple[int, int]:
        """(width, height)."""
        return self.rgb.shape[1], self.rgb.shape[0]

    def on_white(self) -> Pixels:
        """(H, W, 3) as it is seen on white, the ground of product photos."""
        return self.rgb if self.alpha is None else over_white(self.rgb, self.alpha)


def largest(plane: Plane, tops: Sequence[int], lefts: Sequence[int]) -> Plane:
    """(tops, lefts) the largest value of each cell; cells begin at these rows and columns.

    A cell that begins where the next does is of one row or column.
    """
    ends = [*tops[1:], len(plane)]
    rows = [plane[top : max(top + 1, end)].max(axis=0) for top, end in zip(tops, ends, strict=True)]
    return np.maximum.reduceat(np.stack(rows), lefts, axis=1)


def over_white(rgb: Pixels, alpha: Plane) -> Pixels:
    """(H, W, 3) of pixels with opacity `alpha` (H, W) composited on white."""
    share = alpha[..., None].astype(np.uint32)
    return np.asarray((rgb * share + 255 * (255 - share) + 127) // 255, np.uint8)


def off_white(seen: Pixels, alpha: Plane) -> Pixels:
    """(H, W, 3) colours that look like `seen` when composited on white with opacity `alpha`.

    The inverse of `over_white` as far as 0..255 allows; where alpha is 0 it is `seen` itself.
    """
    share = np.where(alpha == 0, 255, alpha)[..., None].astype(np.int32)
    lacking = ((255 - seen.astype(np.int32)) * 255 + share // 2) // share
    return np.asarray(255 - np.minimum(lacking, 255), np.uint8)
