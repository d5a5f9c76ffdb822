"""Z-Image as a `Denoiser`: Tongyi-MAI 2025. Knows no file.

Shapes: B rows, C H W latent channels and sides, L tokens, D width of a text.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from diffusers import ZImageTransformer2DModel
from torch import Tensor

from pipeline.diffusion.denoiser import Cond
from pipeline.models import _flow, _language, _transformer
from pipeline.models._family import All, Family
from pipeline.models._model import Model
from pipeline.models._parts import QWEN3, VAE
from pipeline.models.z_image import Config

TOKENS = 512


def _fault(settings: All) -> str | None:
    transformer, encoder = settings["transformer"], settings["text_encoder"]
    return _transformer.faults(settings) or _transformer.width_fault(
        transformer, "cap_feat_dim", encoder["hidden_size"]
    )


def _tokenizer(folder: Path, settings: All) -> Mapping[str, Any]:
    rows = settings["text_encoder"]["vocab_size"]
    chat = {"enable_thinking": True}
    part = folder / "tokenizer"
    return {"tokenizer": _language.read(part, "Qwen2TokenizerFast", rows, TOKENS, chat)}


FAMILY = Family(
    says="Z-Image",
    parts=(
        _transformer.network(ZImageTransformer2DModel, "in_channels", "cap_feat_dim"),
        VAE,
        QWEN3,
    ),
    tokenizers={"tokenizer": "Qwen2Tokenizer"},
    fault=_fault,
    tokens=_tokenizer,
    levels=_flow.read,
    resolution=_transformer.resolution,
    pipelines=Config.pipelines,
)


class ZImage(Model):
    """Transformer, Qwen3 text encoder and autoencoder of one folder, on one device."""

    family = FAMILY

    def _predicted(self, x_BCHW: Tensor, t_B: Tensor, cond: Cond) -> Tensor:
        texts = [row[:n] for row, n in zip(cond["text"], cond["length"].tolist(), strict=True)]
        # Its time runs from noise to picture, and so does its velocity.
        out = self._network(list(x_BCHW[:, :, None]), 1 - t_B, texts, return_dict=False)[0]
        return -torch.stack(list(out))[:, :, 0]

    def _encoded(self, prompts: list[str]) -> Cond:
        """{"text": (B, L, D) last states but one, "length": (B,) real tokens, on the CPU}."""
        ids, mask = self._tokens["tokenizer"](prompts)
        out = self._networks["text_encoder"](
            input_ids=ids.to(self.device),
            attention_mask=mask.to(self.device).bool(),
            output_hidden_states=True,
        )
        return {"text": out.hidden_states[-2], "length": mask.sum(1)}
