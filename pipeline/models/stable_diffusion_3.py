"""`model.type: stable_diffusion_3`: Stable Diffusion 3 and 3.5 folders. Says what can be asked for.

Read with every config, so it imports neither torch nor diffusers until `build`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pipeline.models._settings import Defaults, Settings

if TYPE_CHECKING:
    from pipeline.models._stable_diffusion_3 import StableDiffusion3


class Config(Settings):
    """A Stable Diffusion 3 or 3.5 model in the diffusers folder format."""

    type: Literal["stable_diffusion_3"] = "stable_diffusion_3"
    pipelines: ClassVar[tuple[str, ...]] = (
        "StableDiffusion3Pipeline",
        "StableDiffusion3Img2ImgPipeline",
    )
    # Of published edits with SD 3 and 3.5; not swept here.
    defaults: ClassVar[Defaults] = {
        "mask": {"strength": 0.5},
        "invert": {"encoding_ratio": 0.75},
        "edit": {"steps": 28, "solver": "dpm", "guidance_scale": 4.5},
    }

    def terms(self) -> str:
        """Of Stability AI's licence."""
        return "Stability AI Community License: free below 1 M USD of yearly revenue"


def build(config: Config) -> StableDiffusion3:
    """The model, loaded. Raises UsageError where the folder is not one that can be used."""
    from pipeline.models._load import load
    from pipeline.models._stable_diffusion_3 import StableDiffusion3

    return load(StableDiffusion3, config)


def check(config: Config) -> str:
    """The digest of its weights. Raises the UsageError that `build` would; keeps nothing."""
    from pipeline.models._load import check
    from pipeline.models._stable_diffusion_3 import StableDiffusion3

    return check(StableDiffusion3, config)
