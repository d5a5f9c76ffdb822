"""Where to edit: contrast the noise predicted under source and target texts. Knows no edit loop.

DiffEdit step 1 (Couairon et al. 2022, section 3.2). All statistics are of one image and one
target, so a mask does not depend on what shares its batch.

Shapes: I images, T targets, S sets of N noise maps, C H W latent channels and sides.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from pipeline.diffusion.batching import Cost, predict
from pipeline.diffusion.denoiser import Denoiser
from pipeline.diffusion.schedule import Schedule


class Contrast(NamedTuple):
    """One mask to make: which image, at which level of noise, between which texts."""

    image: int
    level: int
    source_prompt: str
    target_prompt: str
    noise: int | None = None  # which set of noise maps; None: the one of its image's number

    def asked(self, prompt: str) -> Prediction:
        """Of the network, under one of its texts."""
        return Prediction(
            self.image, self.level, prompt, self.image if self.noise is None else self.noise
        )


class Prediction(NamedTuple):
    """What is predicted once, on all maps of a set of noise, for all masks that need it."""

    image: int
    level: int
    prompt: str
    noise: int


def predictions(contrasts: Sequence[Contrast]) -> list[Prediction]:
    """The predictions that `contrasts` need, each once, those of one image together."""
    sources = [c.asked(c.source_prompt) for c in contrasts]
    targets = [c.asked(c.target_prompt) for c in contrasts]
    return sorted(set(sources + targets))


def heat_maps(
    denoiser: Denoiser,
    schedule: Schedule,
    x0_ICHW: Tensor,
    noise_SNCHW: Tensor,
    contrasts: Sequence[Contrast],
    cost: Cost,
) -> Tensor:
    """(T, H, W) |ε_target − ε_source|, averaged over maps and channels.

    Zero where the texts make no difference, NaN where the network returned NaN. There is no
    guidance: with one negative text for both sides it multiplies the difference by a constant,
    which any threshold in units of the map takes out again.
    """
    needed = predictions(contrasts)
    eps_PNCHW = _predicted(denoiser, schedule, x0_ICHW, noise_SNCHW, needed, cost)
    place = {prediction: p for p, prediction in enumerate(needed)}
    source = [place[c.asked(c.source_prompt)] for c in contrasts]
    target = [place[c.asked(c.target_prompt)] for c in contrasts]
    # One target at a time: the differences of all would be the largest tensor of the whole run.
    difference = [(eps_PNCHW[t] - eps_PNCHW[s]).abs() for s, t in zip(source, target, strict=True)]
    return torch.stack([d_NCHW.mean([0, 1]) for d_NCHW in difference])


def normalized(
    map_THW: Tensor, clamp: float, weights: Sequence[Tensor | None] | None = None
) -> Tensor:
    """(T, H, W) min(map, clamp·mean) / (clamp·mean), in [0, 1]; a map of zeros stays zero.

    The means are of the cells that count: (H, W) weights of each map, None for all alike.
    """
    limit = means(map_THW, weights)[:, None, None] * clamp
    return torch.where(limit == 0, map_THW, torch.minimum(map_THW, limit) / limit)


def means(map_THW: Tensor, weights: Sequence[Tensor | None] | None = None) -> Tensor:
    """(T,) the mean of each map, of one with (H, W) weights its weighted mean."""
    each = weights or [None] * len(map_THW)
    return torch.stack(
        [
            m.mean() if w is None else (m * w).sum() / w.sum()
            for m, w in zip(map_THW, each, strict=True)
        ]
    )


def binary(heat_THW: Tensor, threshold: float | Tensor, dilate: int) -> Tensor:
    """(T, H, W) bool: above the threshold, grown by `dilate` cells in all eight directions.

    The threshold is a number, or one of each map, (T, 1, 1).
    """
    return _grown(heat_THW, dilate) > threshold


def soft(heat_THW: Tensor, threshold: float | Tensor, dilate: int) -> Tensor:
    """(T, H, W) in [0, 1]: ½ at the threshold and linear below 1, grown as `binary` grows.

    Where it is drawn larger, its line of ½ runs between the cells as the map does, and so follows
    the object's outline closer than the cells can.
    """
    return (_grown(heat_THW, dilate) / (2 * threshold)).clamp(max=1)


def _grown(map_THW: Tensor, dilate: int) -> Tensor:
    if dilate == 0:
        return map_THW
    return F.max_pool2d(map_THW[:, None], 2 * dilate + 1, stride=1, padding=dilate)[:, 0]


def _predicted(
    denoiser: Denoiser,
    schedule: Schedule,
    x0_ICHW: Tensor,
    noise_SNCHW: Tensor,
    needed: Sequence[Prediction],
    cost: Cost,
) -> Tensor:
    """(P, N, C, H, W): every prediction on every noise map, packed into full micro-batches."""
    maps = noise_SNCHW.shape[1]
    rows = [(prediction, n) for prediction in needed for n in range(maps)]
    images, levels = [p.image for p, _ in rows], [p.level for p, _ in rows]
    noise_BCHW = noise_SNCHW[[p.noise for p, _ in rows], [n for _, n in rows]]
    x_BCHW = schedule.noised(x0_ICHW[images], noise_BCHW, levels)
    eps_BCHW = predict(denoiser, x_BCHW, schedule.times[levels], [p.prompt for p, _ in rows], cost)
    return eps_BCHW.view(len(needed), maps, *eps_BCHW.shape[1:])
