"""The demo model's image autoencoder and its loss. Knows nothing of text or diffusion.

Shapes: B batch, C channels, H and W pixels, h and w latent pixels (an eighth of H and W).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderKL
from numpy.typing import NDArray
from torch import Tensor

Autoencoder = Any
"""diffusers' AutoencoderKL, which has no types."""
KL_WEIGHT = 1e-6
EDGE_WEIGHT = 0.5


def build_autoencoder(channels: tuple[int, ...], groups: int) -> Autoencoder:
    """One level of halving less than there are channels; four latent channels, no attention."""
    levels = len(channels)
    model: Autoencoder = AutoencoderKL(  # type: ignore[no-untyped-call]
        block_out_channels=channels,
        down_block_types=("DownEncoderBlock2D",) * levels,
        up_block_types=("UpDecoderBlock2D",) * levels,
        layers_per_block=1,
        latent_channels=4,
        norm_num_groups=groups,
        mid_block_add_attention=False,
    )
    return model.to(memory_format=torch.channels_last)


def to_model(photos_BHWC: NDArray[np.uint8]) -> Tensor:
    """Bytes → (B, 3, H, W) in [−1, 1]."""
    pixels = torch.from_numpy(np.array(photos_BHWC)).permute(0, 3, 1, 2)
    return pixels.float() / 127.5 - 1


def crops(photos: NDArray[np.uint8], batch: int, side: int, draw: torch.Generator) -> Tensor:
    """Random square crops of random photos, mirrored or not, (B, 3, side, side)."""
    room = photos.shape[1] - side + 1
    picks = torch.randint(len(photos), (batch,), generator=draw).tolist()
    corners = torch.randint(room, (batch, 2), generator=draw).tolist()
    cut = [photos[i, y : y + side, x : x + side] for i, (y, x) in zip(picks, corners, strict=True)]
    crops_BCHW = to_model(np.stack(cut))
    mirrored = torch.rand(batch, generator=draw) < 0.5
    return torch.where(mirrored[:, None, None, None], crops_BCHW.flip(3), crops_BCHW)


def autoencoder_loss(
    photos: NDArray[np.uint8], batch: int, side: int
) -> Callable[[Autoencoder, torch.Generator], Tensor]:
    """Absolute error of pixels and of their differences (sharp edges), and a slight KL term."""

    def loss(model: Autoencoder, draw: torch.Generator) -> Tensor:
        x_BCHW = crops(photos, batch, side, draw)
        x_BCHW = x_BCHW.to(model.device, memory_format=torch.channels_last)
        posterior = model.encode(x_BCHW).latent_dist
        noise_BChw = torch.randn(posterior.mean.shape, generator=draw).to(x_BCHW)
        y_BCHW = model.decode(posterior.mean + posterior.std * noise_BChw).sample
        error = y_BCHW - x_BCHW
        edges = error.diff(dim=2).abs().mean() + error.diff(dim=3).abs().mean()
        kl = KL_WEIGHT * posterior.kl().mean()
        total: Tensor = error.abs().mean() + EDGE_WEIGHT * edges + kl
        return total

    return loss
