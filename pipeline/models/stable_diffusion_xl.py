"""`model.type: stable_diffusion_xl`: Stable Diffusion XL folders and its fine-tunes.

Read with every config, so it imports neither torch nor diffusers until `build`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pipeline.models._settings import Defaults, Settings

if TYPE_CHECKING:
    from pipeline.models._stable_diffusion_xl import StableDiffusionXL


class Config(Settings):
    """A Stable Diffusion XL base model, ε- or v-prediction, in the diffusers folder format."""

    type: Literal["stable_diffusion_xl"] = "stable_diffusion_xl"
    pipelines: ClassVar[tuple[str, ...]] = (
        "StableDiffusionXLPipeline", "StableDiffusionXLImg2ImgPipeline"
    )  # fmt: skip
    # Four times the pixels at the same schedule need more noise. Unswept.
    defaults: ClassVar[Defaults] = {
        "mask": {"strength": 0.6},
        "invert": {"encoding_ratio": 0.8},
        "edit": {"steps": 50, "guidance_scale": 6.0},
    }


def build(config: Config) -> StableDiffusionXL:
    """The model, loaded. Raises UsageError where the folder is not one that can be used."""
    from pipeline.models._load import load
    from pipeline.models._stable_diffusion_xl import StableDiffusionXL

    return load(StableDiffusionXL, config)


def check(config: Config) -> str:
    """The digest of its weights. Raises the UsageError that `build` would; keeps nothing."""
    from pipeline.models._load import check
    from pipeline.models._stable_diffusion_xl import StableDiffusionXL

    return check(StableDiffusionXL, config)
