"""A model whose device is a nap: each image takes a fixed time and no CPU. Knows no benchmark.

`Nap` finds nothing to edit, so every picture comes out as it went in. `Painter` finds a disc of
30 % and makes it blue.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from pipeline.diffusion.batching import MicroBatch
from pipeline.models import stable_diffusion

FACTOR = 8
DISC = 0.62
"""Radius, in halves of a side."""


class Config(stable_diffusion.Config):
    """`seconds` an image; whether it paints.

    Where `meet` is a folder, loading ends when `actors` models are there.
    """

    seconds: float = 0.0
    paints: bool = False
    meet: str = ""
    actors: int = 1


def build(config: Config) -> Nap:
    """The stand-in, once all of them are loaded: then all start together."""
    if config.meet:
        folder = Path(config.meet)
        (folder / uuid.uuid4().hex).touch()
        while len(list(folder.iterdir())) < config.actors:
            time.sleep(0.05)
        # Who came last is what the benchmark's clock starts at.
    return Painter(config.seconds) if config.paints else Nap(config.seconds)


def check(config: Config) -> None:
    """It has no folder that could be wrong."""


class Nap:
    """A Denoiser that predicts the same for every text."""

    name, weights = "stand-in", "none"
    device, dtype = torch.device("cpu"), torch.float32
    resolution, latent_multiple, channels, factor, told = 64, FACTOR, 4, FACTOR, False

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self.rows, self.images = MicroBatch(1024), MicroBatch(1024)

    def timesteps(self, steps: int, size: tuple[int, int]) -> Tensor:
        return torch.arange(1, steps + 1)

    def alpha(self, t_B: Tensor) -> Tensor:
        return torch.where(t_B < 0, 1.0, 0.8)

    def sigma(self, t_B: Tensor) -> Tensor:
        return torch.where(t_B < 0, 0.0, 0.6)

    def eps(self, x_BCHW: Tensor, t_B: Tensor, cond: dict[str, Tensor]) -> Tensor:
        return torch.zeros_like(x_BCHW)

    def text(self, prompts: Sequence[str]) -> dict[str, Tensor]:
        return {"text": torch.zeros(len(prompts), 1)}

    def encode(self, image_B3HW: Tensor) -> Tensor:
        time.sleep(self._seconds * len(image_B3HW))
        rows, _, height, width = image_B3HW.shape
        return torch.zeros(rows, 4, height // FACTOR, width // FACTOR)

    def decode(self, x_BCHW: Tensor) -> Tensor:
        raise AssertionError("nothing is edited, so nothing is decoded")


class Painter(Nap):
    """Texts make a difference in a disc alone, and what is decoded is blue."""

    resolution = 512

    def eps(self, x_BCHW: Tensor, t_B: Tensor, cond: dict[str, Tensor]) -> Tensor:
        axes = (torch.linspace(-1, 1, side) for side in x_BCHW.shape[2:])
        disc = torch.hypot(*torch.meshgrid(*axes, indexing="ij")) < DISC
        return disc * cond["text"][..., None, None] + torch.zeros_like(x_BCHW)

    def text(self, prompts: Sequence[str]) -> dict[str, Tensor]:
        return {"text": torch.tensor([[float(len(prompt) % 7)] for prompt in prompts])}

    def decode(self, x_BCHW: Tensor) -> Tensor:
        rows, _, height, width = x_BCHW.shape
        shade = torch.linspace(-0.6, 0.2, width * FACTOR).expand(rows, height * FACTOR, -1)
        return torch.stack([shade, shade, shade + 0.7], dim=1)
