"""The two CLIP text encoders that SDXL and SD3 share. Knows no denoiser.

Shapes: B prompts, L tokens, D the widths of both encoders together.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pipeline.models import _tokens
from pipeline.models._family import All
from pipeline.models._parts import Network


def tokenizers(folder: Path, settings: All) -> dict[str, Any]:
    """Those of `text_encoder` and `text_encoder_2`, checked against their encoders."""
    found = {}
    for end in ("", "_2"):
        encoder = settings[f"text_encoder{end}"]
        rows, positions = encoder["vocab_size"], encoder["max_position_embeddings"]
        found[f"tokenizer{end}"] = _tokens.read(folder / f"tokenizer{end}", rows, positions)
    return found


def encoded(
    networks: Mapping[str, Network], tokens: Mapping[str, Any], prompts: list[str]
) -> tuple[Tensor, list[Tensor]]:
    """(B, L, D) last hidden states but one, joined, and each encoder's (B, P) projection."""
    states, pooled = [], []
    for end in ("", "_2"):
        encoder = networks[f"text_encoder{end}"]
        ids = tokens[f"tokenizer{end}"](prompts).to(encoder.device)
        out = encoder(ids, output_hidden_states=True)
        states.append(out.hidden_states[-2])
        pooled.append(out[0])
    return torch.cat(states, dim=-1), pooled
