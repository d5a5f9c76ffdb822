"""A folder's scheduler config → times and noise levels. Knows no network.

Any sampler of the list below names the levels in the same way: β_t of each training time (Ho et al.
2020) and a spacing of the times (Lin et al. 2024, table 2). How it steps between them is not used.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Literal

import diffusers
import numpy as np
import torch
from diffusers import DDIMScheduler
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from torch import Tensor

from pipeline.errors import UsageError
from pipeline.models._folder import first_line, read_json
from pipeline.models._parts import arguments, check_keys, own_writing

# Each with its spacing where the config says none.
_SPACING: dict[str, str] = {
    **dict.fromkeys(
        ("DDIM", "DDIMParallel", "DDPM", "DDPMParallel", "PNDM", "LCM", "TCD"), "leading"
    ),
    **dict.fromkeys(
        (
            "EulerDiscrete", "EulerAncestralDiscrete", "HeunDiscrete", "LMSDiscrete",
            "KDPM2Discrete", "KDPM2AncestralDiscrete", "DPMSolverMultistep",
            "DPMSolverSinglestep", "DPMSolverSDE", "DEISMultistep", "UniPCMultistep", "SASolver",
        ),
        "linspace",
    ),
}  # fmt: skip


class _Read(BaseModel):
    """What decides the levels, of the right type."""

    model_config = ConfigDict(strict=True, extra="ignore")

    num_train_timesteps: int = Field(ge=2, le=100_000)
    beta_schedule: Literal["linear", "scaled_linear", "squaredcos_cap_v2"] | None = None
    beta_start: float | None = Field(None, gt=0, lt=1)
    beta_end: float | None = Field(None, gt=0, lt=1)
    trained_betas: list[float] | None = None
    prediction_type: Literal["epsilon", "v_prediction"] = "epsilon"
    timestep_spacing: Literal["leading", "trailing", "linspace"]
    steps_offset: int = Field(0, ge=0)
    rescale_betas_zero_snr: bool = False
    use_flow_sigmas: Literal[False] = False

    @model_validator(mode="after")
    def _whole(self) -> _Read:
        if self.trained_betas is not None:
            if len(self.trained_betas) != self.num_train_timesteps:
                found = len(self.trained_betas)
                raise ValueError(
                    f"trained_betas: {found} for num_train_timesteps {self.num_train_timesteps}"
                )
            if not all(0 < beta < 1 for beta in self.trained_betas):
                raise ValueError("trained_betas: each must be between 0 and 1")
        for key in () if self.trained_betas else ("beta_start", "beta_end", "beta_schedule"):
            if getattr(self, key) is None:
                raise ValueError(f"{key} is missing")
        if (self.beta_start or 0) > (self.beta_end or 1):
            raise ValueError("beta_start is more than beta_end")
        if self.steps_offset >= self.num_train_timesteps:
            raise ValueError(f"steps_offset: {self.steps_offset} is more than there are times")
        return self


class NoiseLevels:
    """√ᾱ_t and √(1 − ᾱ_t) of each time, and the times of a number of steps."""

    def __init__(self, settings: _Read, alphas2: Tensor) -> None:
        self.v_prediction = settings.prediction_type == "v_prediction"
        self.times = settings.num_train_timesteps
        self._settings = settings
        # A schedule rescaled to zero terminal SNR ends at α = 0, where ε says nothing of x_0.
        alphas2 = alphas2.clamp(min=2.0**-20)
        # The first entry is level 0, which negative times stand for.
        alphas2 = torch.cat([alphas2.new_ones(1), alphas2])
        self._alphas, self._sigmas = alphas2.sqrt(), (1 - alphas2).sqrt()

    def to(self, device: torch.device) -> NoiseLevels:
        """Itself, on `device`."""
        self._alphas, self._sigmas = self._alphas.to(device), self._sigmas.to(device)
        return self

    def alpha(self, t_B: Tensor) -> Tensor:
        """(B,) √ᾱ_t; 1 where t is negative."""
        return self._alphas[t_B.clamp(min=-1) + 1]

    def sigma(self, t_B: Tensor) -> Tensor:
        """(B,) √(1 − ᾱ_t); 0 where t is negative."""
        return self._sigmas[t_B.clamp(min=-1) + 1]

    def eps(self, x_BCHW: Tensor, t_B: Tensor, out_BCHW: Tensor) -> Tensor:
        """(B, C, H, W) ε; of v = α·ε − σ·x_0 it is α·v + σ·x (Salimans & Ho 2022)."""
        if not self.v_prediction:
            return out_BCHW
        alpha, sigma = (c.view(-1, 1, 1, 1) for c in (self.alpha(t_B), self.sigma(t_B)))
        return alpha * out_BCHW + sigma * x_BCHW

    def timesteps(self, steps: int, size: tuple[int, int] | None = None) -> Tensor:
        """(steps,) ascending times, as diffusers' DDIM spaces them, all of them known ones.

        They are the same at every size.
        """
        if steps > self.times:
            raise UsageError(f"edit.steps: {steps} is more than the model's {self.times} times")
        spaced = {"leading": self._leading, "trailing": self._trailing, "linspace": self._linspace}
        times = spaced[self._settings.timestep_spacing](steps)
        assert len(times) == steps and times[0] >= 0 and times[-1] < self.times
        return torch.from_numpy(times).to(self._alphas.device)

    def _leading(self, steps: int) -> Any:
        ratio = self.times // steps
        # The offset must not lead past the last time, as in diffusers it does.
        offset = min(self._settings.steps_offset, self.times - 1 - (steps - 1) * ratio)
        return np.arange(steps) * ratio + offset

    def _trailing(self, steps: int) -> Any:
        # For some numbers the last one, of index `steps`, is there too, for 0 is not met exactly.
        times = np.arange(self.times, 0, -self.times / steps)[:steps]
        return np.round(times).astype(np.int64)[::-1].copy() - 1

    def _linspace(self, steps: int) -> Any:
        if steps == 1:
            return np.array([self.times - 1])
        return np.linspace(0, self.times - 1, steps).round().astype(np.int64)


def read(folder: Path) -> NoiseLevels:
    """The levels of scheduler/scheduler_config.json. Raises UsageError for other kinds of noise."""
    path = folder / "scheduler" / "scheduler_config.json"
    raw = read_json(path)
    name = str(raw.get("_class_name")).removesuffix("Scheduler")
    if name not in _SPACING:
        raise UsageError(
            f"model.path: {path}: a {raw.get('_class_name')} is not one whose noise levels Stable "
            f"Diffusion uses; expected one of {', '.join(_SPACING)}"
        )
    if own_writing(raw):
        check_keys(path, raw, arguments(getattr(diffusers, f"{name}Scheduler")))
    try:
        settings = _Read.model_validate({"timestep_spacing": _SPACING[name], **raw})
    except ValidationError as error:
        raise UsageError(f"model.path: {path}: {_said(error)}") from error
    return NoiseLevels(settings, _alphas2(path, settings))


def _said(error: ValidationError) -> str:
    first = error.errors()[0]
    key, found = ".".join(map(str, first["loc"])), repr(first["input"])[:60]
    said = first["msg"].removeprefix("Value error, ")
    if first["type"] == "missing":
        return f"{key} is missing"
    return f"{key}: {said}, found {found}" if key else said


def _alphas2(path: Path, settings: _Read) -> Tensor:
    names = ("num_train_timesteps", "beta_start", "beta_end", "beta_schedule", "trained_betas")
    chosen = {name: getattr(settings, name) for name in (*names, "rescale_betas_zero_snr")}
    try:
        scheduler: Any = DDIMScheduler(**chosen)  # type: ignore[no-untyped-call]
    except (ValueError, TypeError, NotImplementedError) as error:
        raise UsageError(f"model.path: {path}: {first_line(error)}") from error
    alphas2: Tensor = scheduler.alphas_cumprod
    last = float(alphas2[-1])
    if not (torch.diff(alphas2) <= 0).all() or math.isnan(last) or last > 0.2:
        raise UsageError(
            f"model.path: {path}: these betas leave {math.sqrt(max(last, 0)):.2f} of the picture "
            "at the noisiest level; expected almost none"
        )
    return alphas2
