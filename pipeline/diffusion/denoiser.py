"""The one seam between DiffEdit's mathematics and a model family. Knows no family.

Every family is a forward process x_t = α_t·x_0 + σ_t·ε. With ε, α and σ, one DDIM step serves
variance-preserving models (ε- and v-prediction) and rectified flow (α = 1 − σ) alike.

Shapes: B rows, C H W latent channels and sides.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

from pipeline.diffusion.batching import MicroBatch

Cond = dict[str, Tensor]
"""Conditioning of B rows: each tensor has B as its first dimension.

`guidance`, (B,) float32, is there for a network that is told its guidance scale.
"""


class Denoiser(Protocol):
    """A diffusion model with its text encoder and autoencoder, in evaluation mode."""

    @property
    def name(self) -> str:
        """Of the model, for a row's provenance."""

    @property
    def weights(self) -> str:
        """Digest of all that decides its pictures."""

    @property
    def told(self) -> bool:
        """Whether the guidance scale is an input of the network, which then needs no second row."""

    @property
    def resolution(self) -> int:
        """Side in pixels of the pictures that it works on."""

    @property
    def latent_multiple(self) -> int:
        """Pixels that a picture's sides must be multiples of."""

    @property
    def channels(self) -> int:
        """C."""

    @property
    def factor(self) -> int:
        """f: pixels a latent cell, per side."""

    @property
    def device(self) -> torch.device: ...

    @property
    def dtype(self) -> torch.dtype:
        """Of the network's activations; latents and schedules are kept in float32."""

    @property
    def rows(self) -> MicroBatch:
        """Rows of one pass of the network."""

    @property
    def images(self) -> MicroBatch:
        """Images of one pass of the autoencoder."""

    def timesteps(self, steps: int, size: tuple[int, int]) -> Tensor:
        """(steps,) ascending model times of levels 1..steps for (h, w) latents; level 0 is x_0.

        Raises UsageError where the model knows fewer times than `steps`.
        """

    def alpha(self, t_B: Tensor) -> Tensor:
        """(B,) float32 signal coefficients α_t > 0; 1 where t is negative (level 0)."""

    def sigma(self, t_B: Tensor) -> Tensor:
        """(B,) float32 noise coefficients σ_t; 0 where t is negative (level 0)."""

    def eps(self, x_BCHW: Tensor, t_B: Tensor, cond: Cond) -> Tensor:
        """(B, C, H, W) float32 predicted noise at x_t; t may differ from row to row."""

    def text(self, prompts: Sequence[str]) -> Cond:
        """Conditioning of each prompt; "" is the unconditional one."""

    def encode(self, image_B3HW: Tensor) -> Tensor:
        """(B, C, H/f, W/f) float32 latents (the posterior's mode, scaled) of RGB in [-1, 1]."""

    def decode(self, x_BCHW: Tensor) -> Tensor:
        """(B, 3, f·H, f·W) float32 RGB in [-1, 1] of scaled latents."""
