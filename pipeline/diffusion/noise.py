"""Where randomness comes from: one CPU generator a row. Knows no batch, device or order."""

from __future__ import annotations

import torch
from torch import Tensor


def noise_maps(seed: int, maps: int, shape: tuple[int, ...]) -> Tensor:
    """(maps, *shape) float32 standard normal noise on the CPU, a function of `seed` alone."""
    return torch.randn((maps, *shape), generator=torch.Generator().manual_seed(seed))
