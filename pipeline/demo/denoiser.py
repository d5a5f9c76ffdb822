"""The demo model's denoiser (UNet with its text encoder) and its loss. Knows no files.

Shapes: B batch, C channels, h and w latent pixels, T tokens.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from diffusers import DDIMScheduler, UNet2DConditionModel
from numpy.typing import NDArray
from torch import Tensor, nn
from transformers import CLIPTextModel, CLIPTokenizer

from pipeline.demo.autoencoder import Autoencoder, to_model

UNet = Any
"""diffusers' UNet2DConditionModel, which has no types."""
Scheduler = Any
"""diffusers' DDIMScheduler, which has no types."""
HEADS = 4
GROUPS = 16


class TextToLatent(nn.Module):
    """The two networks that are trained together: tokens condition the noisy latent's velocity."""

    def __init__(self, text_encoder: CLIPTextModel, unet: UNet) -> None:
        super().__init__()
        self.text_encoder = text_encoder
        self.unet = unet

    def forward(self, x_BChw: Tensor, t_B: Tensor, tokens_BT: Tensor) -> Tensor:
        """The velocity v = α·ε − σ·x₀ (Salimans & Ho 2022, eq. 11), (B, C, h, w)."""
        text_BTD = self.text_encoder(tokens_BT).last_hidden_state
        velocity: Tensor = self.unet(x_BChw, t_B, text_BTD).sample
        return velocity


def build_unet(grid: int, channels: tuple[int, ...], text_width: int) -> UNet:
    """Attention on every level but the finest, where it would cost more than all else.

    diffusers reads `attention_head_dim` as the number of heads.
    """
    lower = len(channels) - 1
    unet: UNet = UNet2DConditionModel(  # type: ignore[no-untyped-call]
        sample_size=grid,
        in_channels=4,
        out_channels=4,
        block_out_channels=channels,
        layers_per_block=1,
        down_block_types=("DownBlock2D", *("CrossAttnDownBlock2D",) * lower),
        up_block_types=(*("CrossAttnUpBlock2D",) * lower, "UpBlock2D"),
        cross_attention_dim=text_width,
        attention_head_dim=HEADS,
        norm_num_groups=GROUPS,
    )
    return unet.to(memory_format=torch.channels_last)


def build_scheduler() -> Scheduler:
    """Stable Diffusion's noise levels, with velocity prediction."""
    return DDIMScheduler(  # type: ignore[no-untyped-call]
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
        prediction_type="v_prediction",
    )


def tokenise(tokenizer: CLIPTokenizer, texts: list[str]) -> Tensor:
    """(B, T) padded to the tokenizer's length."""
    batch = tokenizer(texts, padding="max_length", truncation=True, return_tensors="pt")
    tokens_BT: Tensor = batch.input_ids
    return tokens_BT


@torch.no_grad()
def encode_photos(
    autoencoder: Autoencoder, photos: NDArray[np.uint8], batch: int = 32
) -> dict[str, Tensor]:
    """Mean and standard deviation of every photo's latent, (N, 4, h, w) each, half precision."""
    means, stds = [], []
    for start in range(0, len(photos), batch):
        x_BCHW = to_model(photos[start : start + batch])
        x_BCHW = x_BCHW.to(autoencoder.device, memory_format=torch.channels_last)
        posterior = autoencoder.encode(x_BCHW).latent_dist
        means.append(posterior.mean.half().cpu())
        stds.append(posterior.std.half().cpu())
    return {"mean": torch.cat(means).contiguous(), "std": torch.cat(stds).contiguous()}


def denoiser_loss(
    latents: dict[str, Tensor],
    tokens_NT: Tensor,
    no_tokens_T: Tensor,
    *,
    batch: int,
    drop: float,
) -> Callable[[TextToLatent, torch.Generator], Tensor]:
    """Mean squared error of the velocity; a share `drop` of the captions is left out."""
    scheduler = build_scheduler()
    scale = 1 / latents["mean"].float().std()

    def loss(model: TextToLatent, draw: torch.Generator) -> Tensor:
        device = model.unet.device
        picks = torch.randint(len(tokens_NT), (batch,), generator=draw)
        mean, std = latents["mean"][picks].float(), latents["std"][picks].float()
        x0_BChw = (mean + std * torch.randn(mean.shape, generator=draw)) * scale
        noise_BChw = torch.randn(mean.shape, generator=draw)
        t_B = torch.randint(scheduler.config.num_train_timesteps, (batch,), generator=draw)
        dropped = torch.rand(batch, generator=draw) < drop
        tokens_BT = torch.where(dropped[:, None], no_tokens_T, tokens_NT[picks])
        x_BChw = scheduler.add_noise(x0_BChw, noise_BChw, t_B)
        target_BChw = scheduler.get_velocity(x0_BChw, noise_BChw, t_B)
        x_BChw = x_BChw.to(device, memory_format=torch.channels_last)
        v_BChw = model(x_BChw, t_B.to(device), tokens_BT.to(device))
        return nn.functional.mse_loss(v_BChw.float(), target_BChw.to(device))

    return loss
