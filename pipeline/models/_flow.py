"""Rectified flow: a folder's scheduler → times; x_t = (1 − σ)·x_0 + σ·ε, time = σ.

The network predicts v = ε − x_0 (Liu et al. 2023; Esser et al. 2024). Knows no network.

Shapes: B rows, C H W latent channels and sides.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import torch
from diffusers import FlowMatchEulerDiscreteScheduler
from torch import Tensor

from pipeline.errors import UsageError
from pipeline.models._folder import first_line, read_json
from pipeline.models._parts import arguments, check_keys, own_writing

TOP = 1 - 2**-12
"""σ is held below 1, where v says nothing of ε: float32's cancellation is as large as this."""

SOLVERS = ("DPMSolverMultistepScheduler", "UniPCMultistepScheduler", "DEISMultistepScheduler")
"""Of which a flow's levels are read too; how they step between them is not used."""


def linear_mu(config: Any, tokens: int, steps: int) -> float:
    """The shift for so many patches, linear in them (Esser et al. 2024, section 5.3)."""
    low, high = config.base_image_seq_len, config.max_image_seq_len
    slope = (config.max_shift - config.base_shift) / (high - low)
    return float(config.base_shift + slope * (tokens - low))


class FlowLevels:
    """σ of each level, as diffusers' scheduler of the folder spaces and shifts them."""

    def __init__(
        self, scheduler: Any, mu: Callable[[Any, int, int], float] = linear_mu, own: bool = False
    ) -> None:
        self._scheduler, self._mu, self._own = scheduler, mu, own
        self._device = torch.device("cpu")

    def to(self, device: torch.device) -> FlowLevels:
        """Itself, on `device`."""
        self._device = device
        return self

    def timesteps(self, steps: int, size: tuple[int, int]) -> Tensor:
        """(steps,) ascending σ of (h, w) latents. Raises UsageError where they are not distinct.

        `own` levels are those that the scheduler draws itself, others are even before its shift.
        """
        tokens = (size[0] // 2) * (size[1] // 2)
        even: dict[str, Any] = {"sigmas": np.linspace(1.0, 1 / steps, steps)}
        asked: dict[str, Any] = {"num_inference_steps": steps} if self._own else even
        if self._scheduler.config.use_dynamic_shifting:
            asked["mu"] = self._mu(self._scheduler.config, tokens, steps)
        self._scheduler.set_timesteps(**asked)
        sigmas: Tensor = self._scheduler.sigmas[:-1].flip(0)
        # As they are used, for the top of them are held below 1 and may fall together there.
        held = self.sigma(sigmas)
        if len(sigmas) != steps or sigmas[0] <= 0 or not (torch.diff(held) > 0).all():
            raise UsageError(f"edit.steps: {steps} is more than the model's times")
        return sigmas.to(self._device)

    def sigma(self, t_B: Tensor) -> Tensor:
        """(B,) σ, below 1; 0 where t is negative."""
        return t_B.clamp(0, TOP)

    def alpha(self, t_B: Tensor) -> Tensor:
        """(B,) 1 − σ, of the σ that is held below 1."""
        return 1 - self.sigma(t_B)

    def eps(self, x_BCHW: Tensor, t_B: Tensor, v_BCHW: Tensor) -> Tensor:
        """(B, C, H, W) ε = x + α·v."""
        return x_BCHW + self.alpha(t_B).view(-1, 1, 1, 1) * v_BCHW


def read(
    folder: Path, mu: Callable[[Any, int, int], float] = linear_mu, own: bool = False
) -> FlowLevels:
    """The levels of scheduler/scheduler_config.json. Raises UsageError for other kinds of noise."""
    path = folder / "scheduler" / "scheduler_config.json"
    raw = read_json(path)
    kind: Any = FlowMatchEulerDiscreteScheduler
    name = str(raw.get("_class_name"))
    if name in SOLVERS and raw.get("use_flow_sigmas") is True:
        kind, own = getattr(diffusers, name), True
        _check_solver(path, raw)
    elif name != kind.__name__:
        raise UsageError(
            f"model.path: {path}: a {name} is not one whose noise levels such a model uses; "
            f"expected a {kind.__name__}, or a {' or '.join(SOLVERS)} with use_flow_sigmas"
        )
    if raw.get("invert_sigmas") or raw.get("stochastic_sampling"):
        raise UsageError(f"model.path: {path}: inverted or stochastic sampling cannot be used")
    if own_writing(raw):
        check_keys(path, raw, arguments(kind))
    try:
        scheduler = kind.from_config(raw)
        levels = FlowLevels(scheduler, mu, own)
        levels.timesteps(4, (64, 64))
    except Exception as error:  # of a library, about a file that may hold anything
        raise UsageError(f"model.path: {path}: {first_line(error)}; get it again") from error
    return levels


def _check_solver(path: Path, raw: dict[str, Any]) -> None:
    if raw.get("prediction_type") != "flow_prediction" or raw.get("use_dynamic_shifting"):
        raise UsageError(
            f"model.path: {path}: with use_flow_sigmas, prediction_type must be flow_prediction "
            "and use_dynamic_shifting false"
        )


def packed(x_BCHW: Tensor) -> Tensor:
    """(B, H/2·W/2, 4·C): a token a patch of 2×2 cells, in the order C, row, column."""
    rows, channels, height, width = x_BCHW.shape
    patches = x_BCHW.reshape(rows, channels, height // 2, 2, width // 2, 2)
    return patches.permute(0, 2, 4, 1, 3, 5).reshape(rows, -1, 4 * channels)


def unpacked(x_BND: Tensor, size: tuple[int, int]) -> Tensor:
    """(B, C, H, W) of such tokens."""
    rows, _, width = x_BND.shape
    patches = x_BND.reshape(rows, size[0] // 2, size[1] // 2, width // 4, 2, 2)
    return patches.permute(0, 3, 1, 4, 2, 5).reshape(rows, width // 4, *size)


def grid(size: tuple[int, int], device: torch.device) -> Tensor:
    """(H/2·W/2, 2) row and column of each patch."""
    rows = torch.arange(size[0] // 2, device=device)
    return torch.cartesian_prod(rows, torch.arange(size[1] // 2, device=device))
