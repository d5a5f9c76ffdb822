"""Operations counted from configs alone are those of the real networks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from diffusers import AutoencoderKLFlux2, Flux2Transformer2DModel
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from jobs.benchmark import arch
from pipeline.config import variants
from pipeline.models._flux2_klein import Flux2Klein
from pipeline.models._stable_diffusion import StableDiffusion
from pipeline.models._work import USUAL, work
from pipeline.section import build
from tests.models.tiny_families import make

NEW = ("stable_diffusion_xl", "stable_diffusion_3", "flux", "z_image", "flux2_klein")


def operations(call: Callable[[], Any]) -> float:
    # Fused attention of a CPU is not counted.
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        call()
    return counter.get_total_flops() / 1e12


@pytest.mark.parametrize("family", ["stable_diffusion", *NEW])
def test_a_count_needs_no_weights(family: str, tiny_model: Path, tmp_path: Path) -> None:
    path = tiny_model if family == "stable_diffusion" else make(family, tmp_path / family)
    settings = {"path": str(path), "resolution": 64, "dtype": "float32", "device": "cpu"}
    config = variants("models")[family](**settings)
    told, model = work(config), build(config)
    latent, time = torch.zeros(1, model.channels, 8, 8), torch.full((1,), 0.5)
    cond = model.text(["a photo of a red mug"])
    if model.told:
        cond["guidance"] = torch.ones(1)
    with torch.inference_mode():
        network = operations(lambda: model._predicted(latent, time, cond))
        encoding = operations(lambda: model.encode(torch.zeros(1, 3, 64, 64)))
        decoding = operations(lambda: model.decode(latent))
    assert (told.side, told.counted) == (64, True)
    assert (told.network, told.encode, told.decode) == pytest.approx((network, encoding, decoding))


def real(name: str) -> Any:
    """A model of true size on `meta`, and the texts that it takes."""
    levels = SimpleNamespace(to=lambda device: None)
    if name == "stable_diffusion":
        parts = {"unet": arch._unet(320, 768), "vae": arch._vae(320)}
        return StableDiffusion(parts, {}, levels, 512), {"text": torch.empty(1, 77, 768)}
    if name == "flux2_klein":
        small = {"num_layers": 5, "num_single_layers": 20, "num_attention_heads": 24}
        network = Flux2Transformer2DModel(**small, joint_attention_dim=7680, guidance_embeds=False)
        parts = {"transformer": network, "vae": AutoencoderKLFlux2()}
        return Flux2Klein(parts, {}, levels, 1024), {"text": torch.empty(1, 512, 7680)}
    made = arch.ARCHS[{"stable_diffusion_xl": "sdxl", "stable_diffusion_3": "sd35"}.get(name, name)]
    parts = {made.kind.network: made.network(320), "vae": arch._vae(320, made.channels)}
    cond = {"text": torch.empty(1, *made.text), "length": torch.tensor(made.text[:1], device="cpu")}
    cond |= {"pooled": torch.empty(1, made.pooled)} if made.pooled else {}
    return made.kind(parts, {}, levels, 1024), cond | {"guidance": torch.ones(1)}


@pytest.mark.parametrize("name", USUAL)
def test_the_table_of_models_that_are_not_here(name: str) -> None:
    with torch.device("meta"), torch.inference_mode():
        model, cond = real(name)
        cells = model.resolution // model.factor
        latent, time = torch.empty(1, model.channels, cells, cells), torch.full((1,), 0.5)
        picture = torch.empty(1, 3, model.resolution, model.resolution)
        network = operations(lambda: model._predicted(latent, time, cond))
        encode, decode = (
            operations(call)
            for call in (lambda: model.encode(picture), lambda: model.decode(latent))
        )
    told = USUAL[name]
    assert told.side == model.resolution
    assert (told.network, told.encode, told.decode) == pytest.approx(
        (network, encode, decode), 1e-3
    )
    assert work(variants("models")[name](path="/not/here")) == told
