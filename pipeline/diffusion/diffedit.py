"""DiffEdit of a batch of images, each with any number of targets. Knows no file and no photo.

Couairon et al. 2022, "DiffEdit: Diffusion-based semantic image editing with mask guidance",
section 3.2. What an image's targets have in common is done once: its latent, its noise maps, the
predictions under a source text, its inversion.

Shapes: I images, T targets, f·h f·w an image's sides, h w those of its latent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

import torch
from torch import Tensor

from pipeline.diffusion.batching import Cost, decode, encode
from pipeline.diffusion.denoiser import Denoiser
from pipeline.diffusion.edit import Decoding, edit
from pipeline.diffusion.invert import invert
from pipeline.diffusion.mask import Contrast, heat_maps, normalized
from pipeline.diffusion.noise import noise_maps
from pipeline.diffusion.region import Cut, Prior, Tidy, regions
from pipeline.diffusion.schedule import Schedule
from pipeline.diffusion.settings import Settings, Target, level
from pipeline.errors import RowError

MaskState = Literal["partial", "empty", "full"]


@dataclass(frozen=True)
class Edited:
    """What became of one target, on the CPU."""

    mask: Tensor  # (h, w) bool, true where edited
    outline: Tensor  # (h, w) or (f·h, f·w) float32, above ½ where edited
    heat: Tensor  # (h, w) float32 in [0, 1], the map before the threshold
    state: MaskState
    found: bool  # whether there is something to edit, denoised or not
    image: Tensor | None  # (3, f·h, f·w) float32 RGB in [-1, 1]; None: the image is unchanged
    error: RowError | None = None  # of kind "nan"; then there is no image


@dataclass(frozen=True)
class DiffEditResult:
    """One `Edited` a target, in the order of the targets, and what the call spent."""

    edits: list[Edited]
    cost: Cost


@torch.inference_mode()
def diffedit(
    denoiser: Denoiser,
    image_I3HW: Tensor,
    targets: Sequence[Target],
    seeds: Sequence[int],
    settings: Settings,
    priors: Sequence[Prior] = (),
    tidies: Sequence[Tidy | None] = (),
) -> DiffEditResult:
    """Edits a batch: images float32 RGB in [-1, 1], sides multiples of the latent's; one seed each.

    A target's result depends on its image, its seed (the image's, where it has none), its texts and
    numbers and the settings alone, but for rounding. Where the mask is empty there is nothing to
    edit, and where it is full nothing was found: neither is denoised, unless the picture's prior
    (one each, or none) gave that mask. Nor is a target that wants its mask alone. A mask that is
    given costs no evaluations, and its target's heat is 0. `tidies`: see `regions`.
    A target whose numbers stop being finite has its error set; the others are not touched by it.
    """
    if not targets:
        return DiffEditResult([], Cost())
    cost = Cost()
    x0_ICHW = encode(denoiser, image_I3HW, cost)
    shape = tuple(x0_ICHW.shape[1:])
    schedule = Schedule.of(denoiser, settings.steps, (shape[1], shape[2]))
    denoiser.text(_prompts(targets))  # all at once, and kept
    images_T = [target.image for target in targets]
    priors = [prior.to(denoiser.device) for prior in priors] or [Prior()] * len(image_I3HW)
    asked = [t for t, image in enumerate(images_T) if not priors[image].replaces]
    map_Thw = x0_ICHW.new_zeros(len(targets), *shape[1:])
    if asked:
        seeds_T = [seeds[t.image] if t.seed is None else t.seed for t in targets]
        sets = {seed: s for s, seed in enumerate(dict.fromkeys(seeds_T[t] for t in asked))}
        noise_SNCHW = torch.stack([noise_maps(s, settings.noise_maps, shape) for s in sets])
        noise_SNCHW = noise_SNCHW.to(denoiser.device)
        contrasts = [_contrast(targets[t], settings.steps, sets[seeds_T[t]]) for t in asked]
        map_Thw[asked] = heat_maps(denoiser, schedule, x0_ICHW, noise_SNCHW, contrasts, cost)
    pictures_I3HW = image_I3HW.to(denoiser.device)
    cuts = [_cut(target, settings) for target in targets]
    mask_Thw, outline = regions(map_Thw, pictures_I3HW, images_T, settings, priors, tidies, cuts)
    # A NaN is above no threshold, so a target with NaN in its map is not alive either.
    some, full = mask_Thw.flatten(1).any(1).tolist(), mask_Thw.flatten(1).all(1).tolist()
    found = [some[t] and not (full[t] and t in asked) for t in range(len(targets))]
    alive = [t for t, target in enumerate(targets) if found[t] and target.denoise]
    images = _decoded(denoiser, schedule, x0_ICHW, mask_Thw, targets, alive, settings, cost)
    weights = [priors[image].weights((shape[1], shape[2])) for image in images_T]
    heat_Thw = normalized(map_Thw, settings.clamp, weights)
    maps = zip(mask_Thw.cpu(), outline.cpu(), heat_Thw.cpu(), found, strict=True)
    return DiffEditResult([_edited(*one, images.get(i)) for i, one in enumerate(maps)], cost)


def _prompts(targets: Sequence[Target]) -> list[str]:
    """Each text once, "" of the inversion too."""
    texts = [
        text
        for target in targets
        for text in (target.source_prompt, target.target_prompt, target.contrast_prompt)
    ]
    return list(dict.fromkeys(["", *texts]))


def _contrast(target: Target, steps: int, noise: int) -> Contrast:
    at = level(steps, target.mask_strength)
    return Contrast(target.image, at, target.source_prompt, target.contrast_prompt, noise)


def _cut(target: Target, settings: Settings) -> Cut:
    return Cut(
        settings.threshold if target.threshold is None else target.threshold,
        settings.dilate if target.dilate is None else target.dilate,
    )


def _decoded(
    denoiser: Denoiser,
    schedule: Schedule,
    x0_ICHW: Tensor,
    mask_Thw: Tensor,
    targets: Sequence[Target],
    alive: Sequence[int],
    settings: Settings,
    cost: Cost,
) -> dict[int, Tensor]:
    """(3, f·h, f·w) picture of each target in `alive`; only their images are inverted."""
    if not alive:
        return {}
    images = sorted({targets[i].image for i in alive})
    decodings = [_decoding(targets[i], images, settings) for i in alive]
    levels = [max(d.level for d in decodings if d.image == i) for i in range(len(images))]
    trajectory = invert(denoiser, schedule, x0_ICHW[images], levels, settings.solver, cost)
    x_TCHW = edit(
        denoiser, schedule, trajectory, mask_Thw[list(alive)], decodings, settings.solver, cost
    )
    return dict(zip(alive, decode(denoiser, x_TCHW, cost), strict=True))


def _decoding(target: Target, images: Sequence[int], settings: Settings) -> Decoding:
    return Decoding(
        images.index(target.image),
        target.start(settings),
        target.target_prompt,
        target.guidance_scale,
        target.guided(settings),
    )


def _edited(
    mask_hw: Tensor, outline: Tensor, heat_hw: Tensor, something: bool, image_3HW: Tensor | None
) -> Edited:
    state: MaskState = "full" if mask_hw.all() else "partial" if mask_hw.any() else "empty"
    found = partial(Edited, mask_hw, outline, heat_hw, state, something)
    if not heat_hw.isfinite().all():
        error = RowError("nan", "the network's noise predictions are not finite numbers")
        return found(None, error)
    if image_3HW is not None and not image_3HW.isfinite().all():
        error = RowError("nan", "the edited picture has values that are not finite numbers")
        return found(None, error)
    return found(image_3HW)
