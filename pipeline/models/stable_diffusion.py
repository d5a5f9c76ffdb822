"""`model.type: stable_diffusion`: Stable Diffusion 1.x and 2.x folders. Says what can be asked for.

Read with every config, so it imports neither torch nor diffusers until `build`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from pipeline.section import Section

if TYPE_CHECKING:
    from pipeline.models._stable_diffusion import StableDiffusion


class Config(Section):
    """A Stable Diffusion 1.x or 2.x model in the diffusers folder format, safetensors only."""

    type: Literal["stable_diffusion"] = "stable_diffusion"
    path: str = Field(
        "demo",
        description="Local folder, Hugging Face id (owner/name), or demo: the embedded model.",
    )
    revision: str | None = Field(None, description="Branch, tag or commit of a Hugging Face id.")
    resolution: int | None = Field(
        None, ge=8, description="Side in pixels the model works at; unset: what it was trained at."
    )
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        "auto", description="Of the networks; auto: bfloat16 where the device has it."
    )
    device: str = Field(
        "auto",
        pattern=r"^(auto|cpu|mps|cuda(:\d+)?)$",
        description="auto: cuda where there is one.",
    )
    compile: bool = Field(
        False,
        description="torch.compile: faster passes, for a minute or more at the first start on a "
        "machine and seconds at later ones. Needs a C++ compiler.",
    )
    micro_batch: int | None = Field(
        None, ge=1, description="Rows of one pass of the network; unset: chosen for the device."
    )


def build(config: Config) -> StableDiffusion:
    """The model, loaded. Raises UsageError where the folder is not one that can be used."""
    from pipeline.models._stable_diffusion import load

    return load(config)


def check(config: Config) -> None:
    """Raises the UsageError that `build` would of a folder that cannot be used; keeps nothing."""
    from pipeline.models._stable_diffusion import check

    check(config)
