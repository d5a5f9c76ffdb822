"""An edit beside its source, as scores compare them. Knows no score."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.images.picture import Picture, Pixels, Plane


@dataclass(frozen=True)
class Pair:
    """Both pictures as they are seen on white, and where the one may differ from the other."""

    source: Pixels  # (H, W, 3)
    edited: Pixels  # (H, W, 3)
    inside: NDArray[np.bool_]  # (H, W), of the mask
    outside: NDArray[np.bool_]  # (H, W), of the mask, where anything is seen

    @classmethod
    def of(cls, source: Picture, edited: Picture, mask: Plane) -> Pair:
        """`mask` is (H, W), above 0 where edited. What is transparent is on neither side."""
        inside, outside = mask > 0, mask == 0
        if source.alpha is not None:
            outside &= source.alpha > 0
        return cls(source.on_white(), edited.on_white(), inside, outside)
