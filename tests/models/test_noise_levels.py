"""Times and noise levels against diffusers' own schedulers, for every number of steps."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.diffusion.schedule import Schedule
from pipeline.errors import UsageError
from pipeline.models._noise_levels import NoiseLevels, read
from pipeline.models.stable_diffusion import Config, build

SD15 = {
    "_class_name": "PNDMScheduler",
    "_diffusers_version": "0.6.0",
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "beta_start": 0.00085,
    "num_train_timesteps": 1000,
    "set_alpha_to_one": False,
    "skip_prk_steps": True,
    "steps_offset": 1,
    "trained_betas": None,
    "clip_sample": False,
}


def levels(folder: Path, **values: Any) -> NoiseLevels:
    (folder / "scheduler").mkdir(exist_ok=True)
    whole = {key: value for key, value in (SD15 | values).items() if value is not ...}
    (folder / "scheduler" / "scheduler_config.json").write_text(json.dumps(whole))
    return read(folder)


def theirs(**values: Any) -> Any:
    return diffusers.DDIMScheduler.from_config(SD15 | values)


@pytest.mark.parametrize("offset", [0, 1, 5, 999])
@pytest.mark.parametrize("spacing", ["leading", "trailing", "linspace"])
def test_times_are_known_and_distinct_for_every_number_of_steps(
    tmp_path: Path, spacing: str, offset: int
) -> None:
    ours = levels(tmp_path, timestep_spacing=spacing, steps_offset=offset)
    scheduler = theirs(timestep_spacing=spacing, steps_offset=offset)
    agreed = 0
    for steps in range(1, 1001):
        times = ours.timesteps(steps)
        assert len(times) == steps and times.dtype == torch.int64
        assert times[0] >= 0 and times[-1] <= 999 and (torch.diff(times) > 0).all()
        scheduler.set_timesteps(steps)
        expected = scheduler.timesteps.flip(0)
        right = len(expected) == steps and expected[0] >= 0 and expected[-1] <= 999
        # One step of linspace is the cleanest time there, of which nothing can be made.
        if right and not (spacing == "linspace" and steps == 1):
            assert torch.equal(times, expected)
            agreed += 1
    lost = {"trailing": 62, "linspace": 1}
    if spacing in lost:
        assert agreed == 1000 - lost[spacing]
    elif offset < 2:
        assert agreed == 1000 - offset


@pytest.mark.parametrize("steps", [1, 2, 61, 103, 999, 1000])
@pytest.mark.parametrize("spacing", ["leading", "trailing", "linspace"])
def test_noise_grows_from_level_to_level(tmp_path: Path, spacing: str, steps: int) -> None:
    ours = levels(tmp_path, timestep_spacing=spacing)
    times = torch.cat([torch.tensor([-1]), ours.timesteps(steps)])
    assert ours.alpha(times)[0] == 1 and ours.sigma(times)[0] == 0
    assert (torch.diff(ours.alpha(times)) < 0).all() and (torch.diff(ours.sigma(times)) > 0).all()
    torch.testing.assert_close(
        ours.alpha(times) ** 2 + ours.sigma(times) ** 2, torch.ones(steps + 1)
    )


def test_a_time_past_the_last_is_no_level(tmp_path: Path) -> None:
    with pytest.raises(IndexError):
        levels(tmp_path).alpha(torch.tensor([1000]))


def test_a_thousand_steps_of_a_model_end_in_noise(tiny_model: Path) -> None:
    schedule = Schedule.of(build(Config(path=str(tiny_model), device="cpu")), 1000, (8, 8))
    assert schedule.times.tolist() == list(range(-1, 1000))
    assert schedule.alphas[-1] == schedule.alphas.min() < 0.1


def test_stable_diffusion_1_is_read_as_ever(tmp_path: Path) -> None:
    ours = levels(tmp_path)
    assert ours.timesteps(50).tolist() == list(range(1, 1000, 20))
    t = torch.arange(1000)
    assert torch.equal(ours.alpha(t), theirs().alphas_cumprod.sqrt())
    assert not ours.v_prediction


@pytest.mark.parametrize(
    ("name", "top"),
    [
        ("PNDM", 981), ("DDIM", 981), ("DDPM", 981), ("LCM", 981), ("TCD", 981),
        ("EulerDiscrete", 999), ("EulerAncestralDiscrete", 999), ("DPMSolverMultistep", 999),
        ("HeunDiscrete", 999), ("LMSDiscrete", 999), ("UniPCMultistep", 999),
        ("DEISMultistep", 999), ("KDPM2Discrete", 999), ("DPMSolverSinglestep", 999),
    ],
)  # fmt: skip
def test_a_spacing_that_is_not_said_is_the_classs_own(tmp_path: Path, name: str, top: int) -> None:
    ours = levels(tmp_path, _class_name=f"{name}Scheduler")
    assert ours.timesteps(50)[-1] == top
    kind = getattr(diffusers, f"{name}Scheduler")
    default = kind.from_config(SD15).config.get("timestep_spacing", "linspace")
    assert default == ("leading" if top == 981 else "linspace")


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"beta_schedule": "linear", "beta_start": 0.0001, "beta_end": 0.02},
        {"beta_schedule": "squaredcos_cap_v2"},
        {"rescale_betas_zero_snr": True, "prediction_type": "v_prediction"},
        {"trained_betas": [0.001 + 0.00001 * i for i in range(1000)]},
        {"trained_betas": [0.01] * 1000, "beta_start": ..., "beta_end": ..., "beta_schedule": ...},
    ],
)
def test_noise_is_as_diffusers_has_it(tmp_path: Path, values: dict[str, Any]) -> None:
    ours = levels(tmp_path, **values)
    known = {key: value for key, value in values.items() if value is not ...}
    expected = theirs(**known).alphas_cumprod.clamp(min=2.0**-20)
    t = torch.arange(1000)
    assert torch.equal(ours.alpha(t), expected.sqrt())
    assert torch.equal(ours.sigma(t), (1 - expected).sqrt())


@settings(deadline=None, max_examples=60, derandomize=True)
@given(
    times=st.integers(10, 3000),
    part=st.floats(0.001, 1),
    offset=st.integers(0, 9),
    spacing=st.sampled_from(["leading", "trailing", "linspace"]),
)
def test_times_of_any_schedule_are_known_and_distinct(
    tmp_path_factory: Any, times: int, part: float, offset: int, spacing: str
) -> None:
    betas = {"trained_betas": [0.5] * times}
    ours = levels(
        tmp_path_factory.mktemp("levels"),
        num_train_timesteps=times, timestep_spacing=spacing, steps_offset=offset, **betas,
    )  # fmt: skip
    steps = max(1, int(part * times))
    found = ours.timesteps(steps)
    assert len(found) == steps and found[0] >= 0 and found[-1] < times
    assert (torch.diff(found) > 0).all()
    with pytest.raises(UsageError, match=r"edit\.steps"):
        ours.timesteps(times + 1)
