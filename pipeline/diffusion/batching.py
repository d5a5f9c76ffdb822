"""Packs rows into micro-batches that fit the device, and counts what they cost. Knows no loop.

Shapes: B rows, C H W latent channels and sides.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from pipeline.diffusion.denoiser import Denoiser


@dataclass
class MicroBatch:
    """How many rows one forward pass holds. Halved, for good, where the device's memory runs out.

    What a row becomes does not depend on the size, but for the rounding of the device's kernels.
    """

    size: int

    def map(self, rows: int, forward: Callable[[slice], Tensor]) -> Tensor:
        """`forward` of each slice of `rows` rows, joined. `rows` is at least 1.

        Raises the device's out-of-memory error where one row alone does not fit.
        """
        parts: list[Tensor] = []
        done = 0
        while done < rows:
            end = min(done + self.size, rows)
            try:
                parts.append(forward(slice(done, end)))
                done = end
            except RuntimeError as error:
                if end - done == 1 or not _out_of_memory(error):
                    raise
                self.size = (end - done) // 2
            # Only out here are the frames of the failed pass, and its tensors, gone.
            if done != end and torch.cuda.is_available():
                torch.cuda.empty_cache()
        return torch.cat(parts) if len(parts) > 1 else parts[0]


@dataclass
class Cost:
    """What a call spent: rows through the network, the autoencoder's encoder and its decoder."""

    evaluations: int = 0
    encodes: int = 0
    decodes: int = 0

    def __add__(self, other: Cost) -> Cost:
        return Cost(
            self.evaluations + other.evaluations,
            self.encodes + other.encodes,
            self.decodes + other.decodes,
        )


def predict(
    denoiser: Denoiser,
    x_BCHW: Tensor,
    t_B: Tensor,
    prompts: Sequence[str],
    cost: Cost,
    guidance_B: Tensor | None = None,
) -> Tensor:
    """(B, C, H, W) predicted noise of each row at its own time, under its own prompt.

    `guidance_B` is what a network is told that has guidance as an input; 1 where it is None.
    """
    if denoiser.told and guidance_B is None:
        guidance_B = torch.ones(len(prompts), device=x_BCHW.device)

    def forward(rows: slice) -> Tensor:
        cond = denoiser.text(prompts[rows])
        if guidance_B is not None:
            cond["guidance"] = guidance_B[rows]
        return denoiser.eps(x_BCHW[rows], t_B[rows], cond)

    cost.evaluations += len(prompts)
    return denoiser.rows.map(len(prompts), forward)


def encode(denoiser: Denoiser, image_B3HW: Tensor, cost: Cost) -> Tensor:
    """(B, C, H/f, W/f) latents of RGB in [-1, 1], moved to the denoiser's device in slices."""

    def forward(images: slice) -> Tensor:
        return denoiser.encode(image_B3HW[images].to(denoiser.device))

    cost.encodes += len(image_B3HW)
    return denoiser.images.map(len(image_B3HW), forward)


def decode(denoiser: Denoiser, x_BCHW: Tensor, cost: Cost) -> Tensor:
    """(B, 3, f·H, f·W) RGB in [-1, 1] on the CPU: pictures are never all on the device."""

    def forward(images: slice) -> Tensor:
        return denoiser.decode(x_BCHW[images]).cpu()

    cost.decodes += len(x_BCHW)
    return denoiser.images.map(len(x_BCHW), forward)


def _out_of_memory(error: RuntimeError) -> bool:
    # torch has a class for accelerators only; its CPU allocator raises a bare RuntimeError.
    return isinstance(error, torch.OutOfMemoryError) or "not enough memory" in str(error)
