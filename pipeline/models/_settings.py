"""What can be asked for of any model. Read with every config, so it imports no torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Literal

from pydantic import Field

from pipeline.section import Section

Defaults = dict[str, dict[str, Any]]
"""Of a family, by section and key of a config."""


class Lora(Section):
    """A LoRA, fused into the networks."""

    path: str = Field(description="A .safetensors file.")
    weight: float = Field(1.0, ge=-10, le=10, description="How strongly it is added.")


class Settings(Section):
    """Which model, at which size, in which type, on which device."""

    pipelines: ClassVar[tuple[str, ...]] = ()
    """What model_index.json says of such folders."""
    defaults: ClassVar[Defaults] = {}
    """What the sections of a run are by default with such a model."""

    @classmethod
    def said(cls, read: Callable[[str], dict[str, Any]]) -> dict[str, Any]:
        """Keys of this section that a folder's configs say; `read` gives one of those, or {}."""
        return {}

    def terms(self) -> str:
        """Of a licence that binds what is done with pictures; empty where none is known to."""
        return ""

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
    loras: tuple[Lora, ...] = Field(
        (), description="Fused into the networks when they are loaded. Needs the extra big."
    )
    weights: Literal["as_dtype", "float8"] = Field(
        "as_dtype",
        description="float8: the large matrices of the network are kept in half of bfloat16's "
        "bytes and widened layer by layer; results change by some percent.",
    )
    offload_text: bool = Field(
        False, description="Keep the text encoders on the CPU but for the moments they are used."
    )
    micro_batch: int | None = Field(
        None, ge=1, description="Rows of one pass of the network; unset: chosen for the device."
    )
