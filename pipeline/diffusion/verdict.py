"""Which of two texts explains a region of a picture better, to the model itself. Knows no edit.

A text that fits makes the model predict the noise that was added better: the difference of the
denoising errors is a bound's estimate of the likelihoods' ratio, which classifies pictures (Li et
al. 2023, "Your diffusion model is secretly a zero-shot classifier", section 3.2). Here within a
region, at a few levels, with the same noise for both texts.

Shapes: B pictures, N noise maps, L levels, C H W latent channels and sides.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from pipeline.diffusion.batching import Cost, encode, predict
from pipeline.diffusion.denoiser import Denoiser
from pipeline.diffusion.noise import noise_maps
from pipeline.diffusion.schedule import Schedule

STEPS = 10
LEVELS = (6, 7, 8)
"""Of `STEPS`. Below them a picture shows so much of itself that texts matter little."""
NOISE_MAPS = 4


@torch.inference_mode()
def verdicts(
    denoiser: Denoiser,
    image_B3HW: Tensor,
    cells_BHW: Tensor,
    texts: Sequence[tuple[str, str]],
    seeds: Sequence[int],
) -> list[float]:
    """1 − error under the second text / error under the first, in each picture's cells.

    The mean over the levels. Pictures are RGB in [-1, 1], `cells` bool with at least one true,
    texts (source, target).
    """
    x0_BCHW = encode(denoiser, image_B3HW, Cost())
    schedule = Schedule.of(denoiser, STEPS, (x0_BCHW.shape[2], x0_BCHW.shape[3]))
    shape = tuple(x0_BCHW.shape[1:])
    noise_BNCHW = torch.stack([noise_maps(seed, NOISE_MAPS, shape) for seed in seeds])
    noise_BNCHW = noise_BNCHW.to(denoiser.device)
    cells = cells_BHW.to(denoiser.device)
    denoiser.text(list(dict.fromkeys(text for pair in texts for text in pair)))  # all at once
    source_BL, target_BL = (
        _errors(denoiser, schedule, x0_BCHW, noise_BNCHW, cells, [pair[side] for pair in texts])
        for side in (0, 1)
    )
    return [float(value) for value in (1 - target_BL / source_BL).mean(1)]


def _errors(
    denoiser: Denoiser,
    schedule: Schedule,
    x0_BCHW: Tensor,
    noise_BNCHW: Tensor,
    cells_BHW: Tensor,
    texts: Sequence[str],
) -> Tensor:
    """(B, L) mean squared error of the predicted noise in each picture's cells."""
    rows = [(b, t, n) for b in range(len(texts)) for t in LEVELS for n in range(NOISE_MAPS)]
    pictures, levels = [b for b, _, _ in rows], [t for _, t, _ in rows]
    noise_RCHW = noise_BNCHW[pictures, [n for _, _, n in rows]]
    x_RCHW = schedule.noised(x0_BCHW[pictures], noise_RCHW, levels)
    times = schedule.times[levels]
    eps_RCHW = predict(denoiser, x_RCHW, times, [texts[b] for b in pictures], Cost())
    error_RHW = ((eps_RCHW - noise_RCHW) ** 2).mean(1)
    cells_RHW = cells_BHW[pictures]
    error_R = (error_RHW * cells_RHW).sum((1, 2)) / cells_RHW.sum((1, 2))
    return error_R.view(len(texts), len(LEVELS), NOISE_MAPS).mean(2)
