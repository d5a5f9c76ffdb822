"""Stable Diffusion XL as a `Denoiser`: Podell et al. 2023. Knows no file.

Shapes: B rows, C H W latent channels and sides.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from transformers import CLIPTextModel

from pipeline.diffusion.denoiser import Cond
from pipeline.models import _clip, _noise_levels, _unet
from pipeline.models._family import All, Family
from pipeline.models._parts import CLIP_G, TEXT_ENCODER, UNET, VAE
from pipeline.models._stable_diffusion import UNetModel

TIME_IDS = 6
"""Height and width of the picture, of its crop's corner, and of what is to be drawn."""


def _fault(settings: All) -> str | None:
    unet, vae, first, second = (settings[part.name] for part in FAMILY.parts)
    return (
        _unet.unet_fault(unet, vae, "text_time")
        or _unet.vae_fault(vae)
        or _unet.width_fault(unet, first["hidden_size"] + second["hidden_size"])
        or _added_fault(unet, second)
    )


def _added_fault(unet: Mapping[str, Any], second: Mapping[str, Any]) -> str | None:
    ids = unet.get("addition_time_embed_dim") or 0
    taken = unet.get("projection_class_embeddings_input_dim")
    if taken == 5 * ids + second["projection_dim"]:
        return "its UNet takes an aesthetic score: it is the refiner, expected the base model"
    if taken != TIME_IDS * ids + second["projection_dim"]:
        return f"its UNet takes {taken} numbers of text and size"
    return None


FAMILY = Family(
    says="Stable Diffusion XL",
    parts=(UNET, VAE, replace(TEXT_ENCODER, also=("CLIPTextModelWithProjection",)), CLIP_G),
    tokenizers={"tokenizer": "CLIPTokenizer", "tokenizer_2": "CLIPTokenizer"},
    fault=_fault,
    tokens=_clip.tokenizers,
    levels=_noise_levels.read,
    resolution=_unet.resolution,
)
assert FAMILY.parts[2].kind is CLIPTextModel


class StableDiffusionXL(UNetModel):
    """UNet, both CLIP text encoders and autoencoder of one folder, on one device."""

    family = FAMILY
    zeros_for_empty = True

    @classmethod
    def upcast(cls, vae: Mapping[str, Any], dtype: torch.dtype) -> bool:
        """It overflows in float16, but where the folder says that it was mended."""
        return dtype == torch.float16 and bool(vae.get("force_upcast", True))

    def read(self, index: Mapping[str, Any]) -> None:
        """Whether the unconditional text is zeros, as it was in training."""
        self.zeros_for_empty = bool(index.get("force_zeros_for_empty_prompt", True))

    def _predicted(self, x_BCHW: Tensor, t_B: Tensor, cond: Cond) -> Tensor:
        height, width = (side * self.factor for side in x_BCHW.shape[2:])
        ids = torch.tensor([height, width, 0, 0, height, width], device=x_BCHW.device)
        added = {"text_embeds": cond["pooled"], "time_ids": ids.repeat(len(x_BCHW), 1)}
        return self._unet(x_BCHW, t_B, cond["text"], added)

    def _encoded(self, prompts: list[str]) -> Cond:
        """{"text": (B, 77, 2048), "pooled": (B, 1280)}; zeros of "" where the folder says so."""
        states, (_, pooled) = _clip.encoded(self._networks, self._tokens, prompts)
        if self.zeros_for_empty:
            empty = [i for i, prompt in enumerate(prompts) if not prompt]
            states[empty], pooled[empty] = 0, 0
        return {"text": states, "pooled": pooled}
