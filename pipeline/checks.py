"""The section `check` of a config: scores, the networks they need, and bounds. Knows no picture."""

from __future__ import annotations

from importlib import import_module
from typing import Any, Literal

from pydantic import Field, model_validator

from pipeline import presets
from pipeline.section import Section, public


class Bound(Section):
    """What a score must satisfy for the edit to be kept."""

    min: float | None = None
    max: float | None = None

    @model_validator(mode="after")
    def _some_bound(self) -> Bound:
        if self.min is None and self.max is None:
            raise ValueError("give min, max or both")
        return self


SCORES = ("background_psnr", "edit_change")


class Judges(Section):
    """Weights of the networks that scores need; looked for only where one does."""

    clip: str = Field(
        "openai/clip-vit-large-patch14",
        description="CLIP of clip_source, clip_target, clip_direction and clip_image: a folder or "
        "a Hugging Face id.",
    )
    dino: str = Field("facebook/dino-vits16", description="DINO or DINOv2 of dino, likewise.")
    lpips: str = Field(
        "torch",
        description="AlexNet of lpips: torchvision's file, or the folder it is in; torch: from "
        "torch's cache, else fetched.",
    )


class Check(Section):
    """Scores of each edit, and which edits to keep."""

    scores: tuple[str, ...] = Field(
        SCORES, description="Metrics, by file name in pipeline/metrics."
    )
    preset: Literal["instruct_pix2pix", "lance", "ultraedit"] | None = Field(
        None,
        description="Adds a published filter's scores, bounds and networks to scores, keep and "
        "models; what stands there itself wins.",
    )
    models: Judges = Judges()
    keep: dict[str, Bound] = Field(
        default_factory=dict,
        description="Bounds on `mask_area` or a score; what is outside is kept in `rejected/`.",
    )

    @model_validator(mode="before")
    @classmethod
    def _preset(cls, raw: Any) -> Any:
        return presets.filled(raw, SCORES) if isinstance(raw, dict) else raw

    def places(self) -> dict[str, str]:
        """Role → weights, of the networks that the scores need beside the model."""
        modules = (import_module(f"pipeline.metrics.{name}") for name in self.scores)
        roles = {getattr(module, "NETWORK", None) for module in modules}
        return {role: place for role, place in self.models if role in roles}

    @model_validator(mode="after")
    def _known(self) -> Check:
        known = public("metrics")
        for name in self.scores:
            if name not in known:
                raise ValueError(f"unknown score {name!r}; there are: {', '.join(known)}")
        for name in self.keep:
            if name not in (*self.scores, "mask_area"):
                raise ValueError(f"keep.{name}: not among check.scores and not mask_area")
        return self
