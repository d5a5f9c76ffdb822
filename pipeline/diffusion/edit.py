"""From noise to the edited latent, the outside of the mask held to the inversion. Knows no image.

DiffEdit step 3 (Couairon et al. 2022, section 3.2).

Shapes: L levels, I images, T targets, C H W latent channels and sides.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from pipeline.diffusion.batching import Cost, predict
from pipeline.diffusion.denoiser import Denoiser
from pipeline.diffusion.schedule import Schedule
from pipeline.diffusion.settings import Solver
from pipeline.diffusion.solver import decoding_weights, extrapolated

EVERY_LEVEL = range(1, 2**31)


class Decoding(NamedTuple):
    """One target to denoise: its image in the trajectory, where it starts, and what it is told.

    `guided` are the levels whose step down is guided.
    """

    image: int
    level: int
    prompt: str
    guidance_scale: float
    guided: range = EVERY_LEVEL


def edit(
    denoiser: Denoiser,
    schedule: Schedule,
    trajectory_LICHW: Tensor,
    mask_THW: Tensor,
    targets: Sequence[Decoding],
    solver: Solver,
    cost: Cost,
) -> Tensor:
    """(T, C, H, W) x_0 of each target; a target joins the batch at its own level.

    After the step to level s all that is outside of the (T, H, W) bool mask becomes the inverted
    latent of the *same* level s, so the result is x_0 itself there, bit for bit.
    """
    weights = decoding_weights(schedule)
    images = [target.image for target in targets]
    mask_T1HW = mask_THW[:, None]
    x_TCHW = trajectory_LICHW[[target.level for target in targets], images]
    before = torch.zeros_like(x_TCHW)
    for t in range(max(target.level for target in targets), 0, -1):
        active = [i for i, target in enumerate(targets) if target.level >= t]
        now = [targets[i] for i in active]
        start, end = [t] * len(active), [t - 1] * len(active)
        x_BCHW = x_TCHW[active]
        eps_BCHW = guided(denoiser, schedule, x_BCHW, t, now, cost)
        if solver == "dpm":
            older, clean = before[active], schedule.clean(x_BCHW, eps_BCHW, start)
            before[active] = clean
            began = torch.tensor([target.level > t for target in now], device=x_BCHW.device)
            line = extrapolated(clean, older, weights[start] * began)
            eps_BCHW = schedule.noise(x_BCHW, line, start)
        inside = schedule.ddim(x_BCHW, eps_BCHW, start, end)
        outside = trajectory_LICHW[t - 1, [target.image for target in now]]
        x_TCHW[active] = torch.where(mask_T1HW[active], inside, outside)
    return x_TCHW


def guided(
    denoiser: Denoiser,
    schedule: Schedule,
    x_BCHW: Tensor,
    level: int,
    targets: Sequence[Decoding],
    cost: Cost,
) -> Tensor:
    """(B, C, H, W) ε_∅ + g·(ε_target − ε_∅) of rows at one level, Ho & Salimans 2022.

    Where the level is not guided it is ε_target, and ε_∅ is not asked. Nor is it where the network
    is told g (1 where not guided), as distilled ones are (Meng et al. 2023).
    """
    both = [i for i, target in enumerate(targets) if level in target.guided]
    if denoiser.told:
        told_g = [target.guidance_scale if level in target.guided else 1.0 for target in targets]
        guidance_B = torch.tensor(told_g, device=x_BCHW.device)
        t_B = schedule.times[[level] * len(targets)]
        return predict(denoiser, x_BCHW, t_B, [t.prompt for t in targets], cost, guidance_B)
    everything = [*range(len(targets)), *both]
    prompts = [target.prompt for target in targets] + [""] * len(both)
    t_B = schedule.times[[level] * len(everything)]
    packed = predict(denoiser, x_BCHW[everything], t_B, prompts, cost)
    asked, empty = packed[: len(targets)], packed[len(targets) :]
    if not both:
        return asked
    scales = [targets[i].guidance_scale for i in both]
    scale = torch.tensor(scales, device=x_BCHW.device).view(-1, 1, 1, 1)
    eps_BCHW = asked.clone()
    eps_BCHW[both] = empty + scale * (asked[both] - empty)
    return eps_BCHW
