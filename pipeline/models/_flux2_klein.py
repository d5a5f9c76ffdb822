"""FLUX.2 klein as a `Denoiser`: Black Forest Labs 2025. Knows no file.

Shapes: B rows, C H W latent channels and sides, f the autoencoder's factor.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKLFlux2, Flux2Transformer2DModel
from diffusers.pipelines.flux2.pipeline_flux2 import compute_empirical_mu
from torch import Tensor

from pipeline.diffusion.denoiser import Cond
from pipeline.models import _flow, _language, _transformer
from pipeline.models._family import All, Family
from pipeline.models._model import Model, wide
from pipeline.models._parts import QWEN3, VAE
from pipeline.models.flux2_klein import Config

TOKENS = 512
LAYERS = (9, 18, 27)
"""Of the text encoder, whose states are read."""


def _fault(settings: All) -> str | None:
    transformer, encoder = settings["transformer"], settings["text_encoder"]
    width = len(LAYERS) * encoder["hidden_size"]
    return _transformer.faults(settings, per_cell=4) or _transformer.width_fault(
        transformer, "joint_attention_dim", width
    )


def _tokenizer(folder: Path, settings: All) -> Mapping[str, Any]:
    rows = settings["text_encoder"]["vocab_size"]
    chat = {"enable_thinking": False}
    part = folder / "tokenizer"
    return {"tokenizer": _language.read(part, "Qwen2TokenizerFast", rows, TOKENS, chat)}


def _mu(config: Any, tokens: int, steps: int) -> float:
    return float(compute_empirical_mu(tokens, steps))


FAMILY = Family(
    says="FLUX.2 klein",
    parts=(
        _transformer.network(Flux2Transformer2DModel, "in_channels", "joint_attention_dim"),
        replace(VAE, kind=AutoencoderKLFlux2),
        QWEN3,
    ),
    tokenizers={"tokenizer": "Qwen2Tokenizer"},
    fault=_fault,
    tokens=_tokenizer,
    levels=partial(_flow.read, mu=_mu),
    resolution=_transformer.resolution,
    pipelines=Config.pipelines,
)


class Flux2Klein(Model):
    """Transformer, Qwen3 text encoder and autoencoder of one folder, on one device.

    Latents are of the autoencoder's cells, though it normalises patches of 2×2 of them: so a mask
    has cells of f pixels, not 2·f.
    """

    family = FAMILY

    def _predicted(self, x_BCHW: Tensor, t_B: Tensor, cond: Cond) -> Tensor:
        size = (x_BCHW.shape[2], x_BCHW.shape[3])
        rows, length = cond["text"].shape[:2]
        cells = _flow.grid(size, x_BCHW.device)
        image = torch.nn.functional.pad(cells, (1, 1)).expand(rows, -1, -1)
        words = torch.arange(length, device=x_BCHW.device)[:, None]
        out = self._network(
            hidden_states=_flow.packed(x_BCHW),
            timestep=t_B,
            guidance=None,
            encoder_hidden_states=cond["text"],
            txt_ids=torch.nn.functional.pad(words, (3, 0)).expand(rows, -1, -1),
            img_ids=image,
        ).sample
        return _flow.unpacked(out, size)

    @torch.inference_mode()
    def encode(self, image_B3HW: Tensor) -> Tensor:
        """(B, C, H/f, W/f) float32 mode of the posterior, normalised, of RGB in [-1, 1]."""
        mode = wide(self._vae.encode(image_B3HW.to(self._vae.dtype)).latent_dist.mode())
        mean, deviation = self._statistics()
        patches = (_flow.packed(mode) - mean) / deviation
        return _flow.unpacked(patches, (mode.shape[2], mode.shape[3]))

    @torch.inference_mode()
    def decode(self, x_BCHW: Tensor) -> Tensor:
        """(B, 3, f·H, f·W) float32 RGB, clipped to [-1, 1]."""
        mean, deviation = self._statistics()
        patches = _flow.packed(x_BCHW) * deviation + mean
        latent = _flow.unpacked(patches, (x_BCHW.shape[2], x_BCHW.shape[3]))
        return wide(self._vae.decode(latent.to(self._vae.dtype)).sample).clamp(-1, 1)

    def _statistics(self) -> tuple[Tensor, Tensor]:
        norm, config = self._vae.bn, self._vae.config
        mean, variance = wide(norm.running_mean), wide(norm.running_var)
        return mean, (variance + config.batch_norm_eps).sqrt()

    def _encoded(self, prompts: list[str]) -> Cond:
        """{"text": (B, 512, 3·width)}: the states of three layers side by side, padding and all."""
        ids, mask = self._tokens["tokenizer"](prompts)
        states = self._networks["text_encoder"](
            input_ids=ids.to(self.device),
            attention_mask=mask.to(self.device),
            output_hidden_states=True,
            use_cache=False,
        ).hidden_states
        return {"text": torch.cat([states[layer] for layer in LAYERS], dim=-1)}
