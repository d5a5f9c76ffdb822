"""The second-order solver: diffusers' own on the way down, the exact path on the way up."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from pipeline.diffusion.batching import Cost
from pipeline.diffusion.diffedit import diffedit
from pipeline.diffusion.edit import Decoding, edit
from pipeline.diffusion.invert import invert
from pipeline.diffusion.schedule import Schedule
from pipeline.diffusion.settings import Settings, Solver, Target
from pipeline.models._stable_diffusion import StableDiffusion
from tests.diffusion.analytic import Frozen, Gaussian, scheduler_of

EVERYWHERE = torch.ones(1, 4, 4, dtype=torch.bool)


def _random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def test_decoding_agrees_with_diffusers_multistep_scheduler(model: StableDiffusion) -> None:
    """Its first step is of first order, and so is its last, to σ = 0."""
    from diffusers import DPMSolverMultistepScheduler

    schedule, cond = Schedule.of(model, 10, (8, 8)), model.text(["a red mug"])
    theirs = DPMSolverMultistepScheduler.from_config(
        scheduler_of(model).config, algorithm_type="dpmsolver++", solver_order=2, thresholding=False
    )
    theirs.set_timesteps(timesteps=schedule.times[1:].flip(0).tolist())
    y = _random(1, 4, 8, 8)
    trajectory = torch.zeros(11, 1, 4, 8, 8)
    trajectory[10] = y
    for time in theirs.timesteps:
        y = theirs.step(model.eps(y, time.view(1), cond), time, y).prev_sample
    mask = torch.ones(1, 8, 8, dtype=torch.bool)
    x = edit(model, schedule, trajectory, mask, [Decoding(0, 10, "a red mug", 1)], "dpm", Cost())
    torch.testing.assert_close(x, y, rtol=1e-3, atol=1e-3)


def _exact(denoiser: Gaussian, x0: Tensor, time: int) -> Tensor:
    """The ODE's solution: x's distance to its mean, in units of its spread, never changes."""
    t, mean, spread = torch.tensor([time]), denoiser.means[""], denoiser.spread
    alpha, sigma = denoiser.alpha(t), denoiser.sigma(t)
    return alpha * mean + (x0 - mean) / spread * (alpha**2 * spread**2 + sigma**2).sqrt()


def _errors(solver: Solver, steps: int) -> tuple[float, float]:
    """Of the inverted latent, and of the picture decoded from the exact one."""
    denoiser = Gaussian({"": _random(3, 4, 4)})
    schedule, x0 = Schedule.of(denoiser, steps, (8, 8)), _random(1, 3, 4, 4, seed=1)
    top = steps * 4 // 5
    exact = _exact(denoiser, x0, int(schedule.times[top]))
    trajectory = invert(denoiser, schedule, x0, [top], solver, Cost())
    up = (trajectory[top] - exact).norm().item()
    trajectory[top] = exact
    back = edit(
        denoiser, schedule, trajectory, EVERYWHERE, [Decoding(0, top, "", 1)], solver, Cost()
    )
    return up, (back - x0).norm().item()


@pytest.mark.parametrize("direction", [0, 1], ids=["inverting", "decoding"])
def test_halving_the_step_more_than_halves_the_error(direction: int) -> None:
    """A quarter is left of second order's, in the end; of DDIM's a half."""
    first = [_errors("ddim", steps)[direction] for steps in (125, 250)]
    second = [_errors("dpm", steps)[direction] for steps in (125, 250)]
    assert 1.8 < first[0] / first[1] < 2.2
    assert second[0] / second[1] > 2.9
    assert second[0] < first[0] / 5


def test_with_a_frozen_noise_editing_undoes_inverting() -> None:
    noise = _random(2, 3, 4, 4)
    frozen = Frozen({"": noise[0]})
    schedule = Schedule.of(frozen, 20, (8, 8))
    trajectory = invert(frozen, schedule, noise[1:], [16], "dpm", Cost())
    back = edit(frozen, schedule, trajectory, EVERYWHERE, [Decoding(0, 16, "", 1)], "dpm", Cost())
    torch.testing.assert_close(back, noise[1:], rtol=1e-4, atol=1e-4)


def test_rows_with_their_own_levels_do_not_touch_each_other(
    model: StableDiffusion, pictures: Tensor
) -> None:
    """Each row's line starts at its own first step."""
    settings = Settings(steps=10, noise_maps=4, threshold=0.3, solver="dpm")
    targets = [Target(i, "a red mug", "a blue lamp", 0.5, 1 - i / 4, 3.0) for i in range(4)]
    together: Any = diffedit(model, pictures, targets, [1, 2, 3, 4], settings).edits
    for i, edited in enumerate(together):
        own = Target(0, "a red mug", "a blue lamp", 0.5, 1 - i / 4, 3.0)
        (alone,) = diffedit(model, pictures[i : i + 1], [own], [i + 1], settings).edits
        assert torch.equal(edited.mask, alone.mask)
        torch.testing.assert_close(edited.image, alone.image, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("solver", ["ddim", "dpm"])
@pytest.mark.parametrize("steps", [1, 2, 3])
def test_the_fewest_steps_work(solver: Solver, steps: int) -> None:
    means = {"": _random(3, 4, 4), "target": _random(3, 4, 4, seed=1)}
    picture = _random(1, 3, 4, 4, seed=2)
    settings = Settings(steps=steps, noise_maps=1, threshold=1 / 3, solver=solver)
    (edited,) = diffedit(
        Gaussian(means), picture, [Target(0, "", "target", 0.5, 1.0)], [1], settings
    ).edits
    assert edited.error is None
    assert edited.image is not None and not torch.equal(edited.image, picture[0])
