"""CLIP: pictures and texts as unit vectors, and their cosines. Knows no benchmark.

Pictures are prepared by the folder's own processor on Pillow, as published numbers were; the
torchvision one resizes a little differently. Shapes: N pictures or texts, D the joint width.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn.functional import cosine_similarity, normalize

from pipeline.metrics._networks.weights import loaded

Pixels = NDArray[np.uint8]


class Clip:
    """The two towers of one CLIP folder on one device."""

    def __init__(self, folder: Path, device: torch.device) -> None:
        from transformers import CLIPImageProcessorPil, CLIPModel, CLIPTokenizer

        self._model: Any = loaded(CLIPModel, folder).to(device).eval()
        self._tokenizer = CLIPTokenizer.from_pretrained(folder)
        self._processor = CLIPImageProcessorPil.from_pretrained(folder)
        self._device = device

    @torch.inference_mode()
    def images(self, pictures: Sequence[Pixels]) -> Tensor:
        """(N, D) unit vectors of (H, W, 3) uint8 sRGB pictures, each of its own size."""
        frames = [Image.fromarray(picture) for picture in pictures]
        pixels_N3HW = self._processor(images=frames, return_tensors="pt")["pixel_values"]
        found = self._model.vision_model(pixel_values=pixels_N3HW.to(self._device)).pooler_output
        return normalize(self._model.visual_projection(found).float(), dim=-1)

    @torch.inference_mode()
    def texts(self, texts: Sequence[str]) -> Tensor:
        """(N, D) unit vectors; what exceeds CLIP's length is cut off."""
        tokens = self._tokenizer(
            list(texts),
            padding=True,
            truncation=True,
            max_length=self._model.config.text_config.max_position_embeddings,
            return_tensors="pt",
        ).to(self._device)
        found = self._model.text_model(
            input_ids=tokens.input_ids, attention_mask=tokens.attention_mask
        ).pooler_output
        return normalize(self._model.text_projection(found).float(), dim=-1)


def image_text(clip: Clip, pictures: Sequence[Pixels], texts: Sequence[str]) -> list[float]:
    """Cosine of each picture with its text (Hessel et al. 2021, without the factor of 2.5)."""
    return _cosines(clip.images(pictures), clip.texts(texts))


def image_image(clip: Clip, ones: Sequence[Pixels], others: Sequence[Pixels]) -> list[float]:
    """Cosine of each picture with its other."""
    return _cosines(clip.images(ones), clip.images(others))


def directional(
    clip: Clip,
    pictures: tuple[Sequence[Pixels], Sequence[Pixels]],
    texts: tuple[Sequence[str], Sequence[str]],
) -> list[float]:
    """Cosine of the pictures' change with the texts' (Gal et al. 2022): (before, after) each.

    NaN where either does not change, for then there is no direction.
    """
    seen = clip.images(pictures[1]) - clip.images(pictures[0])
    said = clip.texts(texts[1]) - clip.texts(texts[0])
    return _cosines(seen, said)


def _cosines(ones_ND: Tensor, others_ND: Tensor) -> list[float]:
    found = cosine_similarity(ones_ND, others_ND, dim=-1)
    still = (ones_ND.norm(dim=-1) < 1e-6) | (others_ND.norm(dim=-1) < 1e-6)
    return [float(value) for value in found.masked_fill(still, torch.nan)]
