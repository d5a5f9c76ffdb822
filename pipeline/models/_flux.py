"""FLUX.1 as a `Denoiser`: Black Forest Labs 2024. Knows no file.

Shapes: B rows, C H W latent channels and sides.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from diffusers import FluxTransformer2DModel
from torch import Tensor

from pipeline.diffusion.denoiser import Cond
from pipeline.models import _flow, _language, _tokens, _transformer
from pipeline.models._family import All, Family
from pipeline.models._model import Model
from pipeline.models._parts import T5, TEXT_ENCODER, VAE, Network
from pipeline.models.flux import Config


def _fault(settings: All) -> str | None:
    transformer, first, second = (
        settings[name] for name in ("transformer", "text_encoder", "text_encoder_2")
    )
    return (
        _transformer.faults(settings, per_cell=4)
        or _transformer.width_fault(transformer, "pooled_projection_dim", first["hidden_size"])
        or _transformer.width_fault(transformer, "joint_attention_dim", second["d_model"])
    )


def _tokenizers(folder: Path, settings: All) -> Mapping[str, Any]:
    first, second = settings["text_encoder"], settings["text_encoder_2"]
    length = 512 if settings["transformer"]["guidance_embeds"] else 256  # of dev, of schnell
    clip = folder / "tokenizer", first["vocab_size"], first["max_position_embeddings"]
    t5 = folder / "tokenizer_2", "T5TokenizerFast", second["vocab_size"], length
    return {"tokenizer": _tokens.read(*clip), "tokenizer_2": _language.read(*t5)}


FAMILY = Family(
    says="FLUX.1",
    parts=(
        _transformer.network(
            FluxTransformer2DModel,
            *("in_channels", "joint_attention_dim", "pooled_projection_dim", "guidance_embeds"),
        ),
        VAE,
        TEXT_ENCODER,
        T5,
    ),
    tokenizers={"tokenizer": "CLIPTokenizer", "tokenizer_2": "T5Tokenizer"},
    fault=_fault,
    tokens=_tokenizers,
    levels=_flow.read,
    resolution=_transformer.resolution,
    pipelines=Config.pipelines,
)


class Flux(Model):
    """Transformer, CLIP and T5 text encoders and autoencoder of one folder, on one device.

    dev is told its guidance; schnell has none.
    """

    family = FAMILY

    def __init__(
        self, networks: Mapping[str, Network], tokens: Mapping[str, Any], levels: Any, side: int
    ) -> None:
        super().__init__(networks, tokens, levels, side)
        self.told = bool(self._network.config.guidance_embeds)

    def _predicted(self, x_BCHW: Tensor, t_B: Tensor, cond: Cond) -> Tensor:
        size = (x_BCHW.shape[2], x_BCHW.shape[3])
        cells = _flow.grid(size, x_BCHW.device).to(x_BCHW.dtype)
        text = cond["text"]
        out = self._network(
            hidden_states=_flow.packed(x_BCHW),
            timestep=t_B,
            guidance=cond["guidance"] if self.told else None,
            pooled_projections=cond["pooled"],
            encoder_hidden_states=text,
            txt_ids=cells.new_zeros(text.shape[1], 3),
            img_ids=torch.cat([torch.zeros_like(cells[:, :1]), cells], dim=1),
        ).sample
        return _flow.unpacked(out, size)

    def _encoded(self, prompts: list[str]) -> Cond:
        """{"text": (B, 512, width) of T5, padding and all, "pooled": (B, width) of CLIP}."""
        ids = self._tokens["tokenizer"](prompts).to(self.device)
        pooled = self._networks["text_encoder"](ids).pooler_output
        words, _ = self._tokens["tokenizer_2"](prompts)
        return {
            "text": self._networks["text_encoder_2"](words.to(self.device))[0],
            "pooled": pooled,
        }
