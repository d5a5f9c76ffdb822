"""FID (Heusel et al. 2017) by torchmetrics. Knows no benchmark."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from pipeline.metrics._networks.weights import MissingWeights

FILE = "weights-inception-2015-12-05-6726825d.pth"
URL = f"https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/{FILE}"


def inception(weights: Path, features: int, device: torch.device) -> Any:
    """torchmetrics' FID on the Inception of the original code, `features` 64, 192, 768 or 2048.

    Raises MissingWeights where torch-fidelity, which has the network, cannot be imported.
    """
    from torchmetrics.image.fid import FrechetInceptionDistance

    try:
        fid: Any = FrechetInceptionDistance(
            features, feature_extractor_weights_path=str(weights), antialias=False
        )
    except Exception as error:
        raise MissingWeights(
            "inception: FID needs the packages torch-fidelity and torchvision, and the weights of "
            f"{URL}: {(str(error).splitlines() or [type(error).__name__])[0]}"
        ) from error
    return fid.to(device)


def of_features(network: nn.Module) -> Any:
    """torchmetrics' FID on any network from (N, 3, H, W) uint8 to (N, D)."""
    from torchmetrics.image.fid import FrechetInceptionDistance

    return FrechetInceptionDistance(network)


def distance(fid: Any, pairs: Iterable[tuple[Tensor, Tensor]]) -> float:
    """FID between two sets of (3, H, W) uint8 pictures, given in pairs; NaN of fewer than two."""
    fid.reset()
    count = 0
    for real, edited in pairs:
        fid.update(real[None].to(fid.device), real=True)
        fid.update(edited[None].to(fid.device), real=False)
        count += 1
    return float(fid.compute()) if count > 1 else float("nan")
