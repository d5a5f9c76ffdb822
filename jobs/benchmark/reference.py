"""diffusers' own DiffEdit on a model's networks, and the edit that both sides are asked for.

Knows no measurement.
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import torch
from diffusers import DDIMInverseScheduler, DDIMScheduler, StableDiffusionDiffEditPipeline
from torch import Tensor

from pipeline.diffusion.batching import Cost

COLOURS = ("blue", "green", "yellow", "white", "black", "pink", "purple", "orange")
SOURCE = "a photo of a red mug on wood"
RATIO, STRENGTH, GUIDANCE, MAPS = 0.8, 0.5, 7.5, 10


@dataclass
class Reference:
    """diffusers' pipeline, and what it has spent."""

    pipe: Any
    cost: Cost


def reference_of(model: Any) -> Reference:
    """diffusers' DiffEdit on copies of the same networks, as diffusers lays them out."""
    unet, vae = deepcopy(model._network), deepcopy(model._vae)
    for network in (unet, vae):
        network.to(memory_format=torch.contiguous_format)
    levels = model._levels._settings.model_dump(exclude={"use_flow_sigmas"})
    scheduler = DDIMScheduler(**levels, clip_sample=False, set_alpha_to_one=False)
    pipe = StableDiffusionDiffEditPipeline(
        unet=unet,
        vae=vae,
        text_encoder=model._networks["text_encoder"],
        tokenizer=model._tokens["tokenizer"]._tokenizer,
        scheduler=scheduler,
        inverse_scheduler=DDIMInverseScheduler.from_config(scheduler.config),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipe.set_progress_bar_config(disable=True)
    reference = Reference(pipe, Cost())
    _count(reference, unet, "forward", "evaluations")
    _count(reference, vae, "encode", "encodes")
    _count(reference, vae, "decode", "decodes")
    return reference


def reference_edit(reference: Reference, pictures: Tensor, steps: int) -> Cost:
    """Mask, inversion and edit as its documentation has them, at its own defaults but for ours."""
    reference.cost = Cost()
    pipe, rows = reference.pipe, len(pictures)
    target = [SOURCE.replace("red", COLOURS[0])] * rows
    draw = torch.Generator(pipe.device).manual_seed(0)
    shared = {"num_inference_steps": steps, "guidance_scale": GUIDANCE}
    pictures = (pictures / 2 + 0.5).to(pipe.device, pipe.unet.dtype)
    mask = pipe.generate_mask(
        image=pictures,
        source_prompt=[SOURCE] * rows,
        target_prompt=target,
        num_maps_per_mask=MAPS,
        mask_encode_strength=STRENGTH,
        generator=draw,
        **shared,
    )
    inverted = pipe.invert(
        prompt=[SOURCE] * rows,
        image=pictures,
        inpaint_strength=RATIO,
        generator=draw,
        **shared,
    ).latents
    pipe(
        prompt=target,
        mask_image=mask,
        image_latents=inverted,
        inpaint_strength=RATIO,
        output_type="np",
        **shared,
    )
    return reference.cost


def _count(reference: Reference, network: Any, method: str, what: str) -> None:
    inner = getattr(network, method)

    def counted(x: Tensor, *args: Any, **kwargs: Any) -> Any:
        setattr(reference.cost, what, getattr(reference.cost, what) + len(x))
        return inner(x, *args, **kwargs)

    setattr(network, method, counted)
