"""Finds the micro-batch a device is fastest with, by measuring. Knows no edit.

Shapes: C H W latent channels and sides.
"""

from __future__ import annotations

import time

import torch

from pipeline.diffusion.denoiser import Denoiser
from pipeline.diffusion.noise import noise_maps

WORTH = 1.05
"""A size twice as large must give this many times the rows a second, or the smaller one is kept."""


@torch.inference_mode()
def fastest_micro_batch(
    denoiser: Denoiser, shape: tuple[int, int, int], smallest: int = 4, largest: int = 256
) -> int:
    """Rows of one pass at (C, H, W) `shape`: doubled while it pays and while memory lasts.

    Raises the device's out-of-memory error where the smallest does not fit.
    """
    best, size = rows_a_second(denoiser, shape, smallest), smallest
    while size < largest:
        try:
            rate = rows_a_second(denoiser, shape, 2 * size)
        except torch.OutOfMemoryError:
            break
        if rate < best * WORTH:
            break
        best, size = rate, 2 * size
    if denoiser.device.type == "cuda":
        torch.cuda.empty_cache()
    return size


@torch.inference_mode()
def rows_a_second(denoiser: Denoiser, shape: tuple[int, int, int], size: int) -> float:
    """Predictions a second at this micro-batch: the better of two passes, after one to warm up."""
    # Not zeros: some devices are faster with them.
    x_BCHW = noise_maps(0, size, shape).to(denoiser.device)
    t_B = denoiser.timesteps(2, shape[1:])[:1].expand(size)
    cond = denoiser.text([""] * size)
    if denoiser.told:
        cond["guidance"] = torch.ones(size, device=denoiser.device)
    seconds = []
    for _ in range(3):
        start = time.perf_counter()
        # Reading one number waits for the device, whichever it is.
        denoiser.eps(x_BCHW, t_B, cond).sum().item()
        seconds.append(time.perf_counter() - start)
    return size / min(seconds[1:])
