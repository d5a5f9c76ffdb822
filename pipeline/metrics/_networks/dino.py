"""DINO: what a picture shows (CLS) and how it is built (keys). Knows no benchmark.

Shapes: N pictures, T tokens (CLS and patches), D the width.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor
from torch.nn.functional import cosine_similarity, interpolate, normalize

from pipeline.metrics._networks.weights import MissingWeights, loaded

Pixels = NDArray[np.uint8]

MEAN = torch.tensor([0.485, 0.456, 0.406])[:, None, None]
STD = torch.tensor([0.229, 0.224, 0.225])[:, None, None]
SIDE, LONGEST = 224, 480
EPS = 1e-6
"""Of the layer norms: what DINO was trained with; the hub's configs say 1e-12."""


class Dino:
    """One folder of a DINO ViT, or of a DINOv2 (whose keys are not told), on one device."""

    def __init__(self, folder: Path, device: torch.device) -> None:
        self._model: Any = _model(folder).to(device).eval()
        self._device = device
        self._keys: Tensor
        if self._model.config.model_type == "vit":
            self._model.layers[-1].attention.k_proj.register_forward_hook(self._keep)

    def _keep(self, _: Any, __: Any, keys_NTD: Tensor) -> None:
        self._keys = keys_NTD

    @torch.inference_mode()
    def cls(self, pictures: Sequence[Pixels], first_side: int | None = None) -> Tensor:
        """(N, D) CLS of (H, W, 3) uint8 pictures: short side to 256, the middle 224, normalised.

        `first_side`: squared to that side before, as DreamEdit's evaluation does.
        """
        batch = torch.stack([_middle(picture, first_side) for picture in pictures])
        states: Tensor = self._model(batch.to(self._device)).last_hidden_state
        return states[:, 0].float()

    @torch.inference_mode()
    def keys(self, pictures: Sequence[Pixels], full_scale: float) -> Tensor:
        """(N, T, D) keys of the last layer, all heads, of pictures of one size."""
        size = _fitted(*pictures[0].shape[:2])
        whole_NHW3 = torch.from_numpy(np.stack(pictures)).to(self._device)
        whole_N3HW = whole_NHW3.permute(0, 3, 1, 2).float() / full_scale
        small = interpolate(whole_N3HW, size, mode="bilinear", antialias=False)
        normal = (small - MEAN.to(self._device)) / STD.to(self._device)
        self._model(normal, interpolate_pos_encoding=True)
        return self._keys.float()


def _model(folder: Path) -> Any:
    from transformers import AutoConfig, Dinov2Model, Dinov2WithRegistersModel, ViTModel

    config = AutoConfig.from_pretrained(folder)
    kinds = {"dinov2": Dinov2Model, "dinov2_with_registers": Dinov2WithRegistersModel}
    if config.model_type in kinds:
        return loaded(kinds[config.model_type], folder)
    if config.model_type != "vit":
        raise MissingWeights(f"{folder} is a {config.model_type}, not a DINO ViT or a DINOv2")
    config.layer_norm_eps = EPS
    return loaded(ViTModel, folder, config=config, add_pooling_layer=False)


def subject_cosines(dino: Dino, ones: Sequence[Pixels], others: Sequence[Pixels]) -> list[float]:
    """Cosine of the CLS of each picture with its other's (DreamBooth's DINO)."""
    return cosine_similarity(dino.cls(ones), dino.cls(others), dim=-1).tolist()


def structure_distances(
    dino: Dino,
    ones: Sequence[Pixels],
    others: Sequence[Pixels],
    values: Literal["0..255", "0..1"] = "0..1",
) -> list[float]:
    """Mean squared difference of the keys' cosine self-similarities (Tumanyan et al. 2022).

    `values`: the range that pixels have when they are normalised. Splice has 0..1; PIE-Bench's
    published numbers come from 0..255, undivided.
    """
    scale = 1.0 if values == "0..255" else 255.0
    if len({picture.shape for picture in ones}) == 1:
        return _structure_distances(dino.keys(ones, scale), dino.keys(others, scale))
    pairs = zip(ones, others, strict=True)
    return [
        _structure_distances(dino.keys([one], scale), dino.keys([other], scale))[0]
        for one, other in pairs
    ]


def _structure_distances(ones_NTD: Tensor, others_NTD: Tensor) -> list[float]:
    first, second = (normalize(keys, dim=-1, eps=1e-8) for keys in (ones_NTD, others_NTD))
    gap_NTT = first @ first.mT - second @ second.mT
    found: list[float] = (gap_NTT**2).mean(dim=(1, 2)).tolist()
    return found


def _fitted(height: int, width: int) -> tuple[int, int]:
    """The sides that torchvision's Resize(224, max_size=480) gives."""
    short, long = sorted((height, width))
    small, large = SIDE, int(SIDE * long / short)
    if large > LONGEST:
        small, large = int(LONGEST * small / large), LONGEST
    return (small, large) if height <= width else (large, small)


def _middle(picture: Pixels, first_side: int | None) -> Tensor:
    frame = Image.fromarray(picture)
    if first_side is not None:
        frame = frame.resize((first_side, first_side))
    scale = 256 / min(frame.size)
    width, height = (max(256, int(side * scale)) for side in frame.size)
    frame = frame.resize((width, height), Image.Resampling.BICUBIC)
    left, top = round((width - SIDE) / 2), round((height - SIDE) / 2)
    middle = np.array(frame.crop((left, top, left + SIDE, top + SIDE)), np.float32)
    return (torch.from_numpy(middle).permute(2, 0, 1) / 255 - MEAN) / STD
