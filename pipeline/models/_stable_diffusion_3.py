"""Stable Diffusion 3 and 3.5 as a `Denoiser`: Esser et al. 2024. Knows no file.

Shapes: B rows, C H W latent channels and sides.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from diffusers import SD3Transformer2DModel
from torch import Tensor

from pipeline.diffusion.denoiser import Cond
from pipeline.models import _clip, _flow, _language, _transformer
from pipeline.models._family import All, Family
from pipeline.models._model import Model
from pipeline.models._parts import CLIP_G, CLIP_L, T5, VAE
from pipeline.models.stable_diffusion_3 import Config

T5_TOKENS = 256


def _fault(settings: All) -> str | None:
    transformer, first, second = (
        settings[name] for name in ("transformer", "text_encoder", "text_encoder_2")
    )
    pooled = first["projection_dim"] + second["projection_dim"]
    third = settings.get("text_encoder_3", {"d_model": transformer["joint_attention_dim"]})
    return (
        _transformer.faults(settings)
        or _transformer.width_fault(transformer, "pooled_projection_dim", pooled)
        or _transformer.width_fault(transformer, "joint_attention_dim", third["d_model"])
    )


def _tokenizers(folder: Path, settings: All) -> Mapping[str, Any]:
    found = _clip.tokenizers(folder, settings)
    if "text_encoder_3" in settings:
        rows = settings["text_encoder_3"]["vocab_size"]
        found["tokenizer_3"] = _language.read(
            folder / "tokenizer_3", "T5TokenizerFast", rows, T5_TOKENS
        )
    return found


FAMILY = Family(
    says="Stable Diffusion 3",
    parts=(
        _transformer.network(
            SD3Transformer2DModel, "in_channels", "joint_attention_dim", "pooled_projection_dim"
        ),
        VAE,
        CLIP_L,
        CLIP_G,
        replace(T5, name="text_encoder_3"),
    ),
    tokenizers={
        "tokenizer": "CLIPTokenizer",
        "tokenizer_2": "CLIPTokenizer",
        "tokenizer_3": "T5Tokenizer",
    },
    fault=_fault,
    tokens=_tokenizers,
    levels=partial(_flow.read, own=True),
    resolution=_transformer.resolution,
    pipelines=Config.pipelines,
    absent=("text_encoder_3", "tokenizer_3"),
)


class StableDiffusion3(Model):
    """Transformer, three text encoders and autoencoder of one folder, on one device."""

    family = FAMILY

    def _predicted(self, x_BCHW: Tensor, t_B: Tensor, cond: Cond) -> Tensor:
        out: Tensor = self._network(
            hidden_states=x_BCHW,
            timestep=t_B * 1000,
            encoder_hidden_states=cond["text"],
            pooled_projections=cond["pooled"],
        ).sample
        return out

    def _compile(self) -> None:
        self._compiled = self._network
        self._network = torch.compile(self._network, dynamic=True)

    def _encoded(self, prompts: list[str]) -> Cond:
        """{"text": (B, 77 + 256, width), "pooled": (B, both projections)}."""
        states, pooled = _clip.encoded(self._networks, self._tokens, prompts)
        last = self._last(prompts, states)
        states = F.pad(states, (0, last.shape[-1] - states.shape[-1]))
        return {"text": torch.cat([states, last], dim=1), "pooled": torch.cat(pooled, dim=-1)}

    def _last(self, prompts: list[str], states: Tensor) -> Tensor:
        """(B, 256, width) of T5; zeros in a folder without it, as diffusers has them."""
        if "text_encoder_3" not in self._networks:
            width = self._network.config.joint_attention_dim
            return states.new_zeros(len(prompts), T5_TOKENS, width)
        ids, _ = self._tokens["tokenizer_3"](prompts)
        out: Tensor = self._networks["text_encoder_3"](ids.to(states.device))[0]
        return out
