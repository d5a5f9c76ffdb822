"""Each family against diffusers' own pipeline on the same folder of tiny random weights."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch
from torch import Tensor

from pipeline.config import variants
from pipeline.diffusion.batching import Cost
from pipeline.diffusion.diffedit import diffedit
from pipeline.diffusion.edit import Decoding, guided
from pipeline.diffusion.schedule import Schedule
from pipeline.diffusion.settings import Settings, Target, expected_evaluations
from pipeline.models import _flow
from pipeline.section import build
from tests.models.tiny_families import make

FAMILIES = ("stable_diffusion_xl", "stable_diffusion_3", "flux", "z_image", "flux2_klein")
STEPS = 5
SIZE = (12, 8)  # of a latent; not square, so that rows and columns are told apart
PROMPT, LONGER = "a red mug", "a blue lamp on a wooden table, with a green cup beside it"


class Case:
    """A family's model, the pipeline on the same folder, both in float64."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name, self.folder = name, folder
        config = variants("models")[name](path=str(folder), device="cpu", dtype="float32")
        self.model = build(config)
        for network in self.model._networks.values():
            network.double()
        with warnings.catch_warnings(action="ignore"):
            self.pipe = diffusers.DiffusionPipeline.from_pretrained(folder, low_cpu_mem_usage=False)
        self.pipe.to(torch.float64)
        self.pipe.set_progress_bar_config(disable=True)

    def theirs(self, x_BCHW: Tensor, guidance: float) -> Tensor:
        """Their denoised latents of the seam's shape, from the same noise and prompt."""
        height, width = (8 * side for side in x_BCHW.shape[2:])
        arguments: dict[str, Any] = {"num_inference_steps": STEPS, "output_type": "latent"}
        arguments |= {"height": height, "width": width, "guidance_scale": guidance}
        if self.name == "z_image":
            arguments["guidance_scale"] = guidance - 1
        x = x_BCHW
        if self.name == "flux":
            x = _flow.packed(x)
        if self.name == "flux2_klein":
            x = _flow.packed(x).transpose(1, 2).reshape(1, -1, SIZE[0] // 2, SIZE[1] // 2)
        with warnings.catch_warnings(action="ignore"):
            out = self.pipe(prompt=PROMPT, latents=x, **arguments).images
        return _flow.unpacked(out, SIZE) if self.name == "flux" else out


@pytest.fixture(scope="session", params=FAMILIES)
def case(request: Any, tmp_path_factory: pytest.TempPathFactory) -> Case:
    folder = tmp_path_factory.mktemp("families") / request.param
    return Case(request.param, make(request.param, folder))


def _noise(model: Any, rows: int = 1) -> Tensor:
    generator = torch.Generator().manual_seed(4)
    return torch.randn(rows, model.channels, *SIZE, generator=generator, dtype=torch.float64)


def _picture() -> Tensor:
    coarse = torch.randn(2, 3, 6, 4, generator=torch.Generator().manual_seed(3))
    return torch.nn.functional.interpolate(coarse, scale_factor=16, mode="bilinear").clamp(-1, 1)


@torch.inference_mode()
def test_a_whole_loop_is_the_pipelines(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_flow, "TOP", 1 - 2**-23)
    model, guidance = case.model, 3.0
    schedule, x = Schedule.of(model, STEPS, SIZE), _noise(model)
    scale = 1.0
    if case.name == "stable_diffusion_xl":  # diffusers' Euler has x / α, and begins at √(1 + σ²)
        scale = float((schedule.sigmas[-1] / schedule.alphas[-1]) ** 2 + 1) ** 0.5
    theirs = case.theirs(x, guidance)
    x = x * (scale * float(schedule.alphas[-1]) if scale != 1 else 1)
    target = [Decoding(0, STEPS, PROMPT, guidance)]
    for t in range(STEPS, 0, -1):
        eps = guided(model, schedule, x, t, target, Cost())
        x = schedule.ddim(x, eps, [t], [t - 1])
    if case.name == "flux2_klein":  # theirs are as the autoencoder decodes them
        mean, deviation = model._statistics()
        x = _flow.unpacked(_flow.packed(x) * deviation + mean, SIZE)
    torch.testing.assert_close(x, theirs.double(), rtol=2e-5, atol=2e-5 * float(theirs.abs().max()))


@torch.inference_mode()
def test_texts_are_those_of_encode_prompt(case: Case) -> None:
    for prompt in (PROMPT, "", LONGER):
        ours = case.model.text([prompt])
        theirs = _encoded(case.pipe, case.name, prompt)
        for key, expected in theirs.items():
            found = ours[key][:, : expected.shape[1]] if key == "text" else ours[key]
            torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-9)


def _encoded(pipe: Any, name: str, prompt: str) -> dict[str, Tensor]:
    with warnings.catch_warnings(action="ignore"):
        if name == "stable_diffusion_xl":
            states, empty, pooled, empty_pooled = pipe.encode_prompt(prompt or "a")
            if not prompt:
                states, pooled = empty, empty_pooled
            return {"text": states, "pooled": pooled}
        if name == "stable_diffusion_3":
            states, empty, pooled, empty_pooled = pipe.encode_prompt(prompt, prompt, prompt)
            return {"text": states, "pooled": pooled}
        if name == "flux":
            states, pooled, _ = pipe.encode_prompt(prompt, prompt)
            return {"text": states, "pooled": pooled}
        if name == "z_image":
            states = pipe.encode_prompt(prompt, do_classifier_free_guidance=False)[0][0]
            return {"text": states[None], "length": torch.tensor([len(states)])}
        return {"text": pipe.encode_prompt(prompt)[0]}


@torch.inference_mode()
def test_the_autoencoder_is_the_pipelines(case: Case) -> None:
    model, picture = case.model, _picture()
    latent, vae = model.encode(picture), case.pipe.vae
    mode = vae.encode(picture.double()).latent_dist.mode()
    if case.name == "flux2_klein":
        expected = case.pipe._encode_vae_image(picture.double(), None)
        expected = case.pipe._unpatchify_latents(expected)
    else:
        expected = (mode - (vae.config.shift_factor or 0.0)) * vae.config.scaling_factor
    torch.testing.assert_close(latent, expected, rtol=1e-9, atol=1e-9)
    decoded = vae.decode(mode).sample.clamp(-1, 1)
    torch.testing.assert_close(model.decode(latent), decoded, rtol=1e-9, atol=1e-9)
    assert latent.shape == (2, model.channels, *SIZE)


@pytest.mark.parametrize("size", [(8, 8), (64, 96)])
def test_times_are_the_pipelines(case: Case, size: tuple[int, int]) -> None:
    """At two sizes, for its shift may go with them."""
    times, scheduler = case.model.timesteps(7, size), case.pipe.scheduler
    tokens = size[0] * size[1] // 4
    if case.name == "stable_diffusion_xl":
        scheduler.set_timesteps(7)
        assert times.flip(0).tolist() == scheduler.timesteps.tolist()
        return
    _set(case.name, scheduler, tokens)
    assert torch.equal(times.flip(0), scheduler.sigmas[:-1])


def _set(name: str, scheduler: Any, tokens: int) -> None:
    from diffusers.pipelines.flux.pipeline_flux import calculate_shift
    from diffusers.pipelines.flux2.pipeline_flux2 import compute_empirical_mu

    even = [1 - i * (1 - 1 / 7) / 6 for i in range(7)]
    if name == "stable_diffusion_3":
        scheduler.set_timesteps(7)
    elif name == "flux2_klein":
        scheduler.set_timesteps(sigmas=even, mu=compute_empirical_mu(tokens, 7))
    else:
        scheduler.set_timesteps(sigmas=even, mu=calculate_shift(tokens))


@torch.inference_mode()
def test_a_row_alone_is_the_row_beside_a_longer_text(case: Case) -> None:
    model, x = case.model, _noise(case.model, 2)
    t = model.timesteps(STEPS, SIZE)[[2, 3]]
    both, one = model.text([PROMPT, LONGER]), model.text([PROMPT])
    if model.told:
        both["guidance"], one["guidance"] = torch.tensor([2.0, 3.0]), torch.tensor([2.0])
    found = model.eps(x, t, both)[:1]
    torch.testing.assert_close(found, model.eps(x[:1], t[:1], one), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("solver", ["ddim", "dpm"])
@pytest.mark.parametrize("ratio", [0.8, 1.0])
def test_edits_end_to_end_cost_what_was_planned(case: Case, solver: Any, ratio: float) -> None:
    settings = Settings(steps=6, noise_maps=3, threshold=1 / 3, solver=solver, guidance_stop=0.5)
    targets = [
        Target(0, PROMPT, "a blue mug", 0.5, ratio, 4.0),
        Target(1, "", "a green mug", 0.8, ratio, 1.0),
        Target(0, PROMPT, LONGER, 0.5, 0.4, 2.0),
    ]
    result = diffedit(case.model, _picture(), targets, [1, 2], settings)
    assert result.cost.evaluations == expected_evaluations(targets, settings, case.model.told)
    for edited in result.edits:
        assert edited.error is None and edited.state == "partial"
        assert edited.image is not None and edited.image.shape == (3, 96, 64)
