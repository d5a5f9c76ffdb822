"""`model.type: flux`: FLUX.1 dev and schnell folders. Says what can be asked for.

Read with every config, so it imports neither torch nor diffusers until `build`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from pipeline.models._settings import Defaults, Settings

if TYPE_CHECKING:
    from pipeline.models._flux import Flux


DEV = (
    "FLUX.1 [dev] Non-Commercial License: no commercial use of the model, and its outputs may not "
    "be used to train a model that competes with it"
)


class Config(Settings):
    """A FLUX.1 model (dev, schnell, Krea) in the diffusers folder format."""

    type: Literal["flux"] = "flux"
    pipelines: ClassVar[tuple[str, ...]] = ("FluxPipeline", "FluxImg2ImgPipeline")
    # Of published edits with FLUX.1-dev; not swept here. Guidance costs nothing where it is told.
    defaults: ClassVar[Defaults] = {
        "mask": {"strength": 0.6},
        "invert": {"encoding_ratio": 0.8},
        "edit": {"steps": 28, "solver": "dpm", "guidance_scale": 3.5, "guidance_stop": 1.0},
    }

    @classmethod
    def said(cls, read: Callable[[str], dict[str, Any]]) -> dict[str, Any]:
        """Whether guidance is told."""
        config = read("transformer/config.json")
        return {"told": config["guidance_embeds"]} if "guidance_embeds" in config else {}

    def terms(self) -> str:
        """Of dev's licence; schnell's is Apache-2.0."""
        return DEV if self.told else ""

    told: bool = Field(
        True, description="Whether guidance is an input of the network: true for dev, not schnell."
    )


def build(config: Config) -> Flux:
    """The model, loaded. Raises UsageError where the folder is not one that can be used."""
    from pipeline.models._flux import Flux
    from pipeline.models._load import load

    return load(Flux, config)


def check(config: Config) -> str:
    """The digest of its weights. Raises the UsageError that `build` would; keeps nothing."""
    from pipeline.models._flux import Flux
    from pipeline.models._load import check

    return check(Flux, config)
