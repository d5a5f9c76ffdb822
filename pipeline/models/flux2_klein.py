"""`model.type: flux2_klein`: FLUX.2 klein folders. Says what can be asked for.

Read with every config, so it imports neither torch nor diffusers until `build`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pipeline.models._settings import Defaults, Settings

if TYPE_CHECKING:
    from pipeline.models._flux2_klein import Flux2Klein


class Config(Settings):
    """A FLUX.2 klein model in the diffusers folder format."""

    type: Literal["flux2_klein"] = "flux2_klein"
    pipelines: ClassVar[tuple[str, ...]] = ("Flux2KleinPipeline",)
    # Of its makers; not swept here.
    defaults: ClassVar[Defaults] = {
        "mask": {"strength": 0.5},
        "invert": {"encoding_ratio": 0.8},
        "edit": {"steps": 28, "solver": "dpm", "guidance_scale": 4.0},
    }

    def terms(self) -> str:
        """Of the larger of the two."""
        return "4B: Apache-2.0; 9B: FLUX Non-Commercial License"


def build(config: Config) -> Flux2Klein:
    """The model, loaded. Raises UsageError where the folder is not one that can be used."""
    from pipeline.models._flux2_klein import Flux2Klein
    from pipeline.models._load import load

    return load(Flux2Klein, config)


def check(config: Config) -> str:
    """The digest of its weights. Raises the UsageError that `build` would; keeps nothing."""
    from pipeline.models._flux2_klein import Flux2Klein
    from pipeline.models._load import check

    return check(Flux2Klein, config)
