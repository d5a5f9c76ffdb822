"""The tiny model, loaded, and the reference pipeline on the same folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from pipeline.models._stable_diffusion import StableDiffusion
from pipeline.models.stable_diffusion import Config, build


@pytest.fixture(scope="session")
def model(tiny_model: Path) -> StableDiffusion:
    return build(Config(path=str(tiny_model), device="cpu", dtype="float32"))


@pytest.fixture(scope="session")
def v_model(tiny_v_model: Path) -> StableDiffusion:
    return build(Config(path=str(tiny_v_model), device="cpu", dtype="float32"))


@pytest.fixture(scope="session")
def reference(tiny_model: Path) -> Any:
    """diffusers' own DiffEdit; nothing here is shared with ours but the folder."""
    from diffusers import (
        DDIMInverseScheduler,
        StableDiffusionDiffEditPipeline,
        StableDiffusionPipeline,
    )

    parts = StableDiffusionPipeline.from_pretrained(tiny_model, low_cpu_mem_usage=False).components
    parts["inverse_scheduler"] = DDIMInverseScheduler.from_config(parts["scheduler"].config)
    parts.pop("image_encoder")
    pipe = StableDiffusionDiffEditPipeline(**parts, requires_safety_checker=False)
    pipe.set_progress_bar_config(disable=True)
    return pipe


@pytest.fixture(scope="session")
def pictures() -> Tensor:
    """(4, 3, 64, 64) smooth random RGB in [-1, 1]."""
    coarse = torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(3))
    return torch.nn.functional.interpolate(coarse, size=64, mode="bilinear").clamp(-1, 1)
