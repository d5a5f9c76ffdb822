"""A denoiser in closed form: data of one Gaussian a prompt. Exact, so solvers can be judged by it.

Pictures are their own latents (f = 1).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from pipeline.diffusion.batching import MicroBatch
from pipeline.diffusion.denoiser import Cond

TIMES = 1000


class Gaussian:
    """x_0 ~ N(mean of the prompt, spread²): ε* = σ·(x − α·mean) / (α²·spread² + σ²)."""

    def __init__(self, means: dict[str, Tensor], spread: float = 0.5) -> None:
        self.means, self.spread = means, spread
        self.device, self.dtype = torch.device("cpu"), torch.float32
        self.rows, self.images = MicroBatch(7), MicroBatch(3)
        self.name, self.weights, self.told = "gaussian", "none", False
        self.resolution, self.latent_multiple, self.channels, self.factor = 8, 1, 3, 1
        angles = torch.linspace(0, 1.5, TIMES + 1)
        self.alphas, self.sigmas = angles.cos(), angles.sin()

    def timesteps(self, steps: int, size: tuple[int, int]) -> Tensor:
        return torch.arange(1, steps + 1) * (TIMES // steps)

    def alpha(self, t_B: Tensor) -> Tensor:
        return self.alphas[t_B.clamp(min=0)]

    def sigma(self, t_B: Tensor) -> Tensor:
        return self.sigmas[t_B.clamp(min=0)]

    def eps(self, x_BCHW: Tensor, t_B: Tensor, cond: Cond) -> Tensor:
        alpha, sigma = (c.view(-1, 1, 1, 1) for c in (self.alpha(t_B), self.sigma(t_B)))
        variance = alpha**2 * self.spread**2 + sigma**2
        return sigma * (x_BCHW - alpha * cond["mean"]) / variance

    def text(self, prompts: Sequence[str]) -> Cond:
        return {"mean": torch.stack([self.means[prompt] for prompt in prompts])}

    def encode(self, image_B3HW: Tensor) -> Tensor:
        return image_B3HW

    def decode(self, x_BCHW: Tensor) -> Tensor:
        return x_BCHW


class Frozen(Gaussian):
    """The same ε at every x and t: the case in which DDIM's two directions cancel exactly."""

    def eps(self, x_BCHW: Tensor, t_B: Tensor, cond: Cond) -> Tensor:
        return cond["mean"]


def scheduler_of(model: Any, **changes: Any) -> Any:
    """diffusers' DDIM with the settings of the folder that `model` was loaded from."""
    from diffusers import DDIMScheduler

    return DDIMScheduler.from_pretrained(model.name, subfolder="scheduler", **changes)
