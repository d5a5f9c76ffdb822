"""diffusers' own DiffEdit pipeline, as its manual shows it, to compare with. Knows no dataset.

It edits one picture at a time, squared or not, at the picture's own size floored to 8.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from pipeline.config import Edit, Invert, Mask
from pipeline.images.bucket import to_model
from pipeline.images.paste import paste_back
from pipeline.models import _folder
from pipeline.models.stable_diffusion import Config

Pixels = NDArray[np.uint8]


class Reference:
    """StableDiffusionDiffEditPipeline with a run's model and settings, as far as it has them."""

    def __init__(self, model: Config, mask: Mask, invert: Invert, edit: Edit) -> None:
        self._pipeline = _pipeline(model)
        self._mask, self._invert, self._edit = mask, invert, edit

    def edit(
        self, photo: Image.Image, source: str, target: str, seed: int
    ) -> tuple[Pixels, Pixels]:
        """The (H, W, 3) edit and its (H, W) mask, 0 or 255, at the photo's size."""
        steps, scale = self._edit.steps, self._edit.guidance_scale
        ratio = self._invert.encoding_ratio
        draw = torch.Generator().manual_seed(seed)
        shared = {"num_inference_steps": steps, "guidance_scale": scale, "generator": draw}
        mask = self._pipeline.generate_mask(
            photo,
            target,
            source_prompt=source,
            num_maps_per_mask=self._mask.noise_maps,
            mask_encode_strength=self._mask.strength,
            mask_thresholding_ratio=self._mask.clamp,
            **shared,
        )
        latents = self._pipeline.invert(source, photo, inpaint_strength=ratio, **shared).latents
        edited = self._pipeline(
            target,
            mask_image=mask.copy(),
            image_latents=latents,
            inpaint_strength=ratio,
            negative_prompt=source,
            **shared,
        ).images[0]
        picture = to_model(np.asarray(edited), photo.size)
        grid = torch.from_numpy(mask[0] > 0)
        return paste_back(np.asarray(photo), picture, grid, "none", 0.0)


def _pipeline(model: Config) -> Any:
    from diffusers import (
        DDIMInverseScheduler,
        StableDiffusionDiffEditPipeline,
        StableDiffusionPipeline,
    )

    folder = _folder.find(model.path, model.revision)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        plain: Any = StableDiffusionPipeline.from_pretrained(  # type: ignore[no-untyped-call]
            folder, torch_dtype=torch.float32, safety_checker=None
        )
        parts = ("vae", "text_encoder", "tokenizer", "unet", "scheduler")
        pipeline: Any = StableDiffusionDiffEditPipeline(  # type: ignore[no-untyped-call]
            **{part: getattr(plain, part) for part in parts},
            inverse_scheduler=DDIMInverseScheduler.from_config(plain.scheduler.config),  # type: ignore[no-untyped-call]
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline.to("cuda" if torch.cuda.is_available() else "cpu")
