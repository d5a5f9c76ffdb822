"""Stable Diffusion's edits are, byte for byte, what they were before other families were read.

Recorded at the last commit without them, on a tiny model of drawn weights. Computed in float64, so
that no other processor's rounding turns a byte; in float32 all bits were the same on one machine.
A fault that is mended may change them: then record anew, and say why in the commit.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from pipeline.diffusion.diffedit import diffedit
from pipeline.diffusion.settings import Settings, Target
from pipeline.models.stable_diffusion import Config, build

RECORDED = {
    ("tiny_model", "ddim"): "f3c36428eb2835c5",
    ("tiny_model", "dpm"): "20474547c982e04e",
    ("tiny_v_model", "ddim"): "3d95e1c611d810ac",
    ("tiny_v_model", "dpm"): "260d0f5875102d64",
}
TARGETS = [
    Target(0, "a red mug", "a blue lamp", 0.5, 0.7, 7.5),
    Target(1, "", "a green chair", 0.3, 1.0, 3.0),
    Target(1, "a lamp", "a wooden lamp", 0.5, 0.5, 1.0),
]


def _pictures() -> Tensor:
    coarse = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(3))
    return torch.nn.functional.interpolate(coarse, size=64, mode="bilinear").clamp(-1, 1)


@pytest.mark.parametrize(("folder", "solver"), RECORDED)
def test_edits_are_what_they_were(request: Any, folder: str, solver: Any) -> None:
    path: Path = request.getfixturevalue(folder)
    model = build(Config(path=str(path), device="cpu", dtype="float32"))
    for network in model._networks.values():
        network.double()
    settings = Settings(steps=10, noise_maps=4, threshold=0.4, solver=solver, guidance_stop=0.5)
    found = hashlib.sha256()
    for edited in diffedit(model, _pictures(), TARGETS, [11, 12], settings).edits:
        assert edited.image is not None and edited.state == "partial"
        found.update(
            ((edited.image.double() + 1) * 127.5).round().to(torch.uint8).numpy().tobytes()
        )
        found.update(edited.mask.numpy().tobytes())
    assert found.hexdigest()[:16] == RECORDED[folder, solver]
