"""Levels of noise and the DDIM step between any two of them. Knows no network.

Level 0 is the image's own latent x_0, level N the noisiest. All coefficients are float32.

Shapes: N steps, B rows, C H W latent channels and sides.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pipeline.diffusion.denoiser import Denoiser


@dataclass(frozen=True)
class Schedule:
    """Model time, α and σ of levels 0..N, each (N + 1,)."""

    times: Tensor
    alphas: Tensor
    sigmas: Tensor

    @classmethod
    def of(cls, denoiser: Denoiser, steps: int, size: tuple[int, int]) -> Schedule:
        """The denoiser's for (h, w) latents. Raises what `Denoiser.timesteps` raises."""
        times = denoiser.timesteps(steps, size).to(denoiser.device)
        times = torch.cat([times.new_full((1,), -1), times])
        return cls(times, denoiser.alpha(times), denoiser.sigma(times))

    @property
    def steps(self) -> int:
        """N."""
        return len(self.times) - 1

    def noised(self, x0_BCHW: Tensor, noise_BCHW: Tensor, levels: Sequence[int]) -> Tensor:
        """(B, C, H, W) x_t = α_t·x_0 + σ_t·ε, each row at its own level."""
        return self._at(self.alphas, levels) * x0_BCHW + self._at(self.sigmas, levels) * noise_BCHW

    def ddim(
        self, x_BCHW: Tensor, eps_BCHW: Tensor, start: Sequence[int], end: Sequence[int]
    ) -> Tensor:
        """(B, C, H, W) rows moved from level `start` to level `end`, up or down.

        x_s = α_s·x̂_0 + σ_s·ε, x̂_0 = (x_t − σ_t·ε) / α_t (Song et al. 2021, equation 12, η = 0).
        """
        x0_BCHW = self.clean(x_BCHW, eps_BCHW, start)
        return self._at(self.alphas, end) * x0_BCHW + self._at(self.sigmas, end) * eps_BCHW

    def clean(self, x_BCHW: Tensor, eps_BCHW: Tensor, levels: Sequence[int]) -> Tensor:
        """(B, C, H, W) x̂_0 = (x_t − σ_t·ε) / α_t."""
        return (x_BCHW - self._at(self.sigmas, levels) * eps_BCHW) / self._at(self.alphas, levels)

    def noise(self, x_BCHW: Tensor, x0_BCHW: Tensor, levels: Sequence[int]) -> Tensor:
        """(B, C, H, W) ε = (x_t − α_t·x̂_0) / σ_t, at levels above 0."""
        return (x_BCHW - self._at(self.alphas, levels) * x0_BCHW) / self._at(self.sigmas, levels)

    def _at(self, coefficients: Tensor, levels: Sequence[int]) -> Tensor:
        index = torch.tensor(levels, device=coefficients.device)
        return coefficients[index].view(-1, 1, 1, 1)
