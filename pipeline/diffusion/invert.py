"""From the image back to noise, every level kept. Knows no mask and no target.

DiffEdit step 2 (Couairon et al. 2022, section 3.2): unconditional DDIM encoding, once an image.

Shapes: L levels from 0 to the highest asked for, I images, C H W latent channels and sides.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from pipeline.diffusion.batching import Cost, predict
from pipeline.diffusion.denoiser import Denoiser
from pipeline.diffusion.schedule import Schedule


def invert(
    denoiser: Denoiser, schedule: Schedule, x0_ICHW: Tensor, levels: Sequence[int], cost: Cost
) -> Tensor:
    """(L, I, C, H, W) the latents of levels 0..max(levels); level 0 is x_0 itself, bit for bit.

    Image i is inverted up to `levels[i]`; what stands above it in the result is zero.

    The step from s to t > s asks the network at time t, though x is of level s, as diffusers'
    `DDIMInverseScheduler` does: x_0 has no noise and no time of its own, and the same t is asked
    on the way down, so that the two directions cancel where ε changes slowly.
    """
    trajectory = x0_ICHW.new_zeros((max(levels) + 1, *x0_ICHW.shape))
    trajectory[0] = x0_ICHW
    for t in range(1, max(levels) + 1):
        images = [i for i, level in enumerate(levels) if level >= t]
        x_BCHW = trajectory[t - 1, images]
        times = schedule.times[[t] * len(images)]
        eps_BCHW = predict(denoiser, x_BCHW, times, [""] * len(images), cost)
        trajectory[t, images] = schedule.ddim(
            x_BCHW, eps_BCHW, [t - 1] * len(images), [t] * len(images)
        )
    return trajectory
