"""An edit as judging networks see it. Knows no network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from pipeline.images.picture import Pixels

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Shown:
    """Both pictures at the size at which the model sees them, on white, and what was asked for."""

    source: Pixels  # (H, W, 3)
    edited: Pixels  # (H, W, 3)
    source_prompt: str
    target_prompt: str
    cells: NDArray[np.bool_]  # (h, w) latent cells that were edited
    seed: int  # of the row


Score = float | None
"""None where it is not defined of an edit: no text is there, say, or nothing changed."""


def signed(picture: Pixels) -> Tensor:
    """(3, H, W) float32 in [-1, 1]."""
    import torch

    return torch.from_numpy(picture.copy()).permute(2, 0, 1).float() / 127.5 - 1
