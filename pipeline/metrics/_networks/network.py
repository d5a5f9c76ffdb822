"""The judging networks by role: what is taken where no weights are given, found and loaded how.

Benchmarks and the scores of a run share them. Loads nothing by itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from pipeline.metrics._networks import clip, dino, fid, lpips, weights


@dataclass(frozen=True)
class Network:
    """A judging network.

    `find(place, option)` and `load(path, device)` raise MissingWeights; `option` is how a person
    names its weights ("--weights clip").
    """

    default: str
    find: Callable[[str, str], Path]
    load: Callable[[Path, torch.device], Any]


def clip_network(default: str) -> Network:
    """CLIP in a transformers folder."""
    return Network(default, weights.folder, clip.Clip)


def dino_network(default: str) -> Network:
    """A DINO ViT in a transformers folder."""
    return Network(default, weights.folder, dino.Dino)


def lpips_network(net: lpips.Net) -> Network:
    """An LPIPS backbone in torchvision's file."""
    name = lpips.FILES[net]
    return Network(
        "torch",
        lambda place, option: weights.file(place, option, name, lpips.URL + name),
        lambda path, device: lpips.Lpips(net, path, device),
    )


def inception_network(features: int) -> Network:
    """The Inception of FID."""
    return Network(
        "torch",
        lambda place, option: weights.file(place, option, fid.FILE, fid.URL),
        lambda path, device: fid.inception(path, features, device),
    )
