"""Stable Diffusion 1.x and 2.x as a `Denoiser`: diffusers' networks, our mathematics.

Knows no file, and nothing of masks or edits.

Shapes: B rows, C H W latent channels and sides.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pipeline.diffusion.denoiser import Cond
from pipeline.models import _noise_levels, _tokens, _unet
from pipeline.models._family import All, Family
from pipeline.models._model import Model
from pipeline.models._parts import TEXT_ENCODER, UNET, VAE, Network


def _fault(settings: All) -> str | None:
    unet, vae, encoder = (settings[part.name] for part in FAMILY.parts)
    return (
        _unet.unet_fault(unet, vae)
        or _unet.vae_fault(vae)
        or _unet.width_fault(unet, encoder["hidden_size"])
    )


def _tokenizer(folder: Path, settings: All) -> Mapping[str, Any]:
    encoder = settings["text_encoder"]
    rows, positions = encoder["vocab_size"], encoder["max_position_embeddings"]
    return {"tokenizer": _tokens.read(folder / "tokenizer", rows, positions)}


FAMILY = Family(
    says="Stable Diffusion 1.x or 2.x",
    parts=(UNET, VAE, TEXT_ENCODER),
    tokenizers={"tokenizer": "CLIPTokenizer"},
    fault=_fault,
    tokens=_tokenizer,
    levels=_noise_levels.read,
    resolution=_unet.resolution,
)


class UNetModel(Model):
    """A UNet and the autoencoder that goes with it."""

    network = "unet"
    texts_at_once = 64

    def __init__(
        self, networks: Mapping[str, Network], tokens: Mapping[str, Any], levels: Any, side: int
    ) -> None:
        # Convolutions are faster so on GPUs; on CPUs as fast in float32, slower in bfloat16.
        if networks["unet"].device.type == "cuda":
            for name in ("unet", "vae"):
                networks[name].to(memory_format=torch.channels_last)
        super().__init__(networks, tokens, levels, side)

    @property
    def latent_multiple(self) -> int:
        """Pixels that a picture's sides must be multiples of: f × what the UNet halves."""
        return int(self.factor * 2 ** (len(self._network.config.block_out_channels) - 1))

    def _compile(self) -> None:
        self._compiled = torch.compile(self._network)

    def _unet(self, x_BCHW: Tensor, t_B: Tensor, text_BLD: Tensor, added: Cond | None) -> Tensor:
        network = self._network
        # torch.compile takes 1 for a constant.
        if self._compiled is not None and len(x_BCHW) > 1:
            network = self._compiled
            for tensor in (x_BCHW, t_B, text_BLD, *(added or {}).values()):
                torch._dynamo.mark_dynamic(tensor, 0)
        told = {"added_cond_kwargs": added} if added else {}
        out: Tensor = network(x_BCHW, t_B, encoder_hidden_states=text_BLD, **told).sample
        return out


class StableDiffusion(UNetModel):
    """UNet, CLIP text encoder and autoencoder of one folder, on one device."""

    family = FAMILY

    def _predicted(self, x_BCHW: Tensor, t_B: Tensor, cond: Cond) -> Tensor:
        return self._unet(x_BCHW, t_B, cond["text"], None)

    def _encoded(self, prompts: list[str]) -> Cond:
        """{"text": (B, tokens, width)}; what exceeds the tokenizer's length is cut off."""
        tokens = self._tokens["tokenizer"](prompts)
        encoder = self._networks["text_encoder"]
        return {"text": encoder(tokens.to(self.device)).last_hidden_state}
