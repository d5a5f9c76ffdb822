"""`model.type: z_image`: Z-Image and Z-Image-Turbo folders. Says what can be asked for.

Read with every config, so it imports neither torch nor diffusers until `build`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pipeline.models._settings import Defaults, Settings

if TYPE_CHECKING:
    from pipeline.models._z_image import ZImage


class Config(Settings):
    """A Z-Image model in the diffusers folder format."""

    type: Literal["z_image"] = "z_image"
    pipelines: ClassVar[tuple[str, ...]] = ("ZImagePipeline", "ZImageImg2ImgPipeline")
    # Its own pipeline's guidance g is 1 + g here. Of its makers; not swept here.
    defaults: ClassVar[Defaults] = {
        "mask": {"strength": 0.5},
        "invert": {"encoding_ratio": 0.8},
        "edit": {"steps": 28, "solver": "dpm", "guidance_scale": 4.0},
    }


def build(config: Config) -> ZImage:
    """The model, loaded. Raises UsageError where the folder is not one that can be used."""
    from pipeline.models._load import load
    from pipeline.models._z_image import ZImage

    return load(ZImage, config)


def check(config: Config) -> str:
    """The digest of its weights. Raises the UsageError that `build` would; keeps nothing."""
    from pipeline.models._load import check
    from pipeline.models._z_image import ZImage

    return check(ZImage, config)
