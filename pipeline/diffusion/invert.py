"""From the image back to noise, every level kept. Knows no mask and no target.

DiffEdit step 2 (Couairon et al. 2022, section 3.2): unconditional encoding, once an image.

Shapes: L levels from 0 to the highest asked for, I images, C H W latent channels and sides.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from pipeline.diffusion.batching import Cost, predict
from pipeline.diffusion.denoiser import Denoiser
from pipeline.diffusion.schedule import Schedule
from pipeline.diffusion.settings import Solver
from pipeline.diffusion.solver import encoding_weights, extrapolated


def invert(
    denoiser: Denoiser,
    schedule: Schedule,
    x0_ICHW: Tensor,
    levels: Sequence[int],
    solver: Solver,
    cost: Cost,
) -> Tensor:
    """(L, I, C, H, W) the latents of levels 0..max(levels); level 0 is x_0 itself, bit for bit.

    Image i is inverted up to `levels[i]`; what stands above it in the result is zero.

    DDIM's step from s to t > s asks the network at time t, though x is of level s, as diffusers'
    `DDIMInverseScheduler` does: x_0 has no noise and no time of its own, and the same t is asked
    on the way down, so that the two directions cancel where ε changes slowly. The second-order
    solver asks at time s (at level 0, the time of level 1) and puts a line through two answers.
    """
    second_order = solver == "dpm"
    weights = encoding_weights(schedule)
    trajectory = x0_ICHW.new_zeros((max(levels) + 1, *x0_ICHW.shape))
    trajectory[0] = x0_ICHW
    before = torch.zeros_like(x0_ICHW)
    for t in range(1, max(levels) + 1):
        images = [i for i, level in enumerate(levels) if level >= t]
        start, end = [t - 1] * len(images), [t] * len(images)
        asked = [max(t - 1, 1)] * len(images) if second_order else end
        x_BCHW = trajectory[t - 1, images]
        prompts = [""] * len(images)
        eps_BCHW = predict(denoiser, x_BCHW, schedule.times[asked], prompts, cost)
        if second_order:
            older, before[images] = before[images], eps_BCHW
            eps_BCHW = extrapolated(eps_BCHW, older, weights[start])
        trajectory[t, images] = schedule.ddim(x_BCHW, eps_BCHW, start, end)
    return trajectory
