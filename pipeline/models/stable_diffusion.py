"""`model.type: stable_diffusion`: Stable Diffusion 1.x and 2.x folders. Says what can be asked for.

Read with every config, so it imports neither torch nor diffusers until `build`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pipeline.models._settings import Settings

if TYPE_CHECKING:
    from pipeline.models._stable_diffusion import StableDiffusion


class Config(Settings):
    """A Stable Diffusion 1.x or 2.x model in the diffusers folder format, safetensors only."""

    type: Literal["stable_diffusion"] = "stable_diffusion"
    pipelines: ClassVar[tuple[str, ...]] = (
        "StableDiffusionPipeline", "StableDiffusionImg2ImgPipeline",
        "StableDiffusionDiffEditPipeline",
    )  # fmt: skip


def build(config: Config) -> StableDiffusion:
    """The model, loaded. Raises UsageError where the folder is not one that can be used."""
    from pipeline.models._load import load
    from pipeline.models._stable_diffusion import StableDiffusion

    return load(StableDiffusion, config)


def check(config: Config) -> str:
    """The digest of its weights. Raises the UsageError that `build` would; keeps nothing."""
    from pipeline.models._load import check
    from pipeline.models._stable_diffusion import StableDiffusion

    return check(StableDiffusion, config)
