"""The DDIM step: against diffusers' schedulers, and by its own laws."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pipeline.diffusion.schedule import Schedule
from pipeline.diffusion.settings import level
from pipeline.models._stable_diffusion import StableDiffusion
from tests.diffusion.analytic import Gaussian, scheduler_of

SCHEDULE = Schedule.of(Gaussian({}), 20, (8, 8))
levels = st.integers(0, 20)


def _random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


@given(start=levels, end=levels, seed=st.integers(0, 99))
def test_a_step_and_its_reverse_cancel(start: int, end: int, seed: int) -> None:
    x, eps = _random(1, 2, 3, 3, seed=seed), _random(1, 2, 3, 3, seed=seed + 1)
    there = SCHEDULE.ddim(x, eps, [start], [end])
    torch.testing.assert_close(SCHEDULE.ddim(there, eps, [end], [start]), x, rtol=1e-4, atol=1e-4)


@given(start=levels, end=levels)
def test_a_step_with_the_true_noise_lands_on_the_forward_process(start: int, end: int) -> None:
    x0, noise = _random(1, 2, 3, 3), _random(1, 2, 3, 3, seed=1)
    moved = SCHEDULE.ddim(SCHEDULE.noised(x0, noise, [start]), noise, [start], [end])
    torch.testing.assert_close(moved, SCHEDULE.noised(x0, noise, [end]), rtol=1e-4, atol=1e-4)


def test_rows_step_between_their_own_levels() -> None:
    x, eps = _random(3, 2, 3, 3), _random(3, 2, 3, 3, seed=1)
    together = SCHEDULE.ddim(x, eps, [1, 9, 0], [5, 2, 20])
    alone = [
        SCHEDULE.ddim(x[i : i + 1], eps[i : i + 1], [start], [end])
        for i, (start, end) in enumerate([(1, 5), (9, 2), (0, 20)])
    ]
    assert torch.equal(together, torch.cat(alone))


@given(steps=st.integers(1, 1000), percent=st.integers(1, 100))
def test_a_ratio_means_the_same_level_after_a_float32_column(steps: int, percent: int) -> None:
    ratio = percent / 100
    assert level(steps, float(np.float32(ratio))) == level(steps, ratio)
    assert level(steps, ratio) == max(1, steps * percent // 100)


@pytest.mark.parametrize("which", ["model", "v_model"])
def test_decoding_agrees_with_ddim_scheduler(which: str, request: Any) -> None:
    model: StableDiffusion = request.getfixturevalue(which)
    ours = Schedule.of(model, 10, (8, 8))
    theirs = scheduler_of(model, set_alpha_to_one=True)
    theirs.set_timesteps(10)
    assert ours.times[1:].flip(0).tolist() == theirs.timesteps.tolist()
    cond = model.text(["a red mug"])
    x = y = _random(1, 4, 8, 8)
    for t, time in zip(range(10, 0, -1), theirs.timesteps, strict=True):
        x = ours.ddim(x, model.eps(x, ours.times[[t]], cond), [t], [t - 1])
        raw = model._network(y, time, encoder_hidden_states=cond["text"]).sample
        y = theirs.step(raw, time, y).prev_sample
    torch.testing.assert_close(x, y, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("which", ["model", "v_model"])
def test_encoding_agrees_with_ddim_inverse_scheduler(which: str, request: Any) -> None:
    """Given ε: theirs would turn v into ε at the level that x is at, not where the network is."""
    from diffusers import DDIMInverseScheduler

    model: StableDiffusion = request.getfixturevalue(which)
    ours = Schedule.of(model, 10, (8, 8))
    theirs = DDIMInverseScheduler.from_config(
        scheduler_of(model).config, set_alpha_to_one=True, prediction_type="epsilon"
    )
    theirs.set_timesteps(10)
    cond = model.text([""])
    x = y = _random(1, 4, 8, 8)
    for t, time in zip(range(1, 11), theirs.timesteps, strict=True):
        assert ours.times[t] == time
        x = ours.ddim(x, model.eps(x, ours.times[[t]], cond), [t - 1], [t])
        y = theirs.step(model.eps(y, time.view(1), cond), time, y).prev_sample
    torch.testing.assert_close(x, y, rtol=1e-4, atol=1e-4)
