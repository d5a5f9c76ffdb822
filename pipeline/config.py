"""One frozen, validated `RunConfig`. Knows a run's shape, not what its parts do with it.

A section with a `type` (input, prompts, model) is described by the module of that name in its
folder: `model: {type: stable_diffusion}` → `pipeline/models/stable_diffusion.py`, its `Config`. A
model without one, or of `type: auto`, is of the family that its folder names.
Those modules keep heavy imports inside `build`, so that reading a config stays fast.
"""

from __future__ import annotations

import hashlib
import json
import os
from importlib import import_module
from typing import Annotated, Any, Literal, Union

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PlainValidator,
    model_validator,
)

from pipeline.checks import Check
from pipeline.labels import Label, Split
from pipeline.section import Section, variants
from pipeline.storage import Storage
from pipeline.variants import Variants


def _one_of(package: str) -> Any:
    configs = tuple(variants(package).values())
    if len(configs) == 1:
        return configs[0]
    return Annotated[Union[configs], Field(discriminator="type")]  # noqa: UP007


Input: Any = _one_of("sources")
Prompts: Any = _one_of("prompts")
Model: Any = _one_of("models")

LATER: tuple[tuple[str, str, Any], ...] = (
    ("run", "chunk_bytes", None),
    ("input", "mask", None),
    ("input", "protect", None),
    ("edit", "variants", None),
    ("check", "preset", None),
    ("check", "models", {}),
    ("model", "weights", "as_dtype"),
    ("model", "loras", []),
)
"""Section, key and value with which it is as before there was such a key: the fingerprint too."""
Share = Annotated[float, Field(ge=0, le=1)]
RESULT_KEYS = ("formats", "source", "image_format")
"""Of `output`, what decides how the rows look."""
RUN_KEYS = ("seed", "chunk_rows", "chunk_bytes", "limit")
"""Of `run`, what decides which rows there are and what a chunk's number means."""


def _listed(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _some_once(value: tuple[str, ...]) -> tuple[str, ...]:
    if not value or len(set(value)) < len(value):
        raise ValueError("give parquet, webdataset or both, each once")
    return tuple(sorted(value))  # the order says nothing


Format = Literal["parquet", "webdataset"]
Formats = Annotated[
    tuple[Format, ...],
    BeforeValidator(_listed, Format | list[Format]),
    AfterValidator(_some_once),
]


class Output(Section):
    """Where and how results are written."""

    path: str = Field(
        description="Folder, or s3://, gs:// or abfs:// prefix of this run; made if missing."
    )
    storage: Storage = Storage()
    formats: Formats = Field(
        ("parquet", "webdataset"), description="What edits are written as: one or both."
    )
    source: bool = Field(True, description="Write the source picture beside each edit.")
    license: str | None = Field(
        None,
        pattern=r"^[a-z0-9][a-z0-9.+-]{0,63}$",
        description="Of the dataset, for its card: an id as cc-by-4.0; other; unset: not said.",
    )
    image_format: Literal["source", "jpeg", "png", "webp"] = Field(
        "source",
        description="Of edited images. source: a JPEG stays one, its untouched blocks copied; "
        "WebP stays WebP and all else becomes PNG, without loss. png, webp: lossless.",
    )


def _threshold(value: Any) -> Any:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if value != "auto" and not (number and 0 < value < 1):
        raise ValueError("give a number greater than 0 and less than 1, or auto")
    return float(value) if number else value


Threshold = Annotated[float | Literal["auto"], PlainValidator(_threshold, float | Literal["auto"])]


class Mask(Section):
    """Where to edit: DiffEdit step 1 (section 3.2 of the paper; its threshold is 0.5)."""

    noise_maps: int = Field(10, ge=1, le=256, description="Noise maps averaged (n).")
    strength: float = Field(0.5, gt=0, le=1, description="Noise level of the estimate, 0..1.")
    clamp: float = Field(3.0, gt=0, description="Clip |Δε| at this many times the image's mean.")
    threshold: Threshold = Field(
        "auto",
        description="On the map rescaled to 0..1; auto: found for each map, by where the photo's "
        "own edges hold its outline.",
    )
    dilate: int = Field(0, ge=0, le=16, description="Grow the mask by this many latent cells.")
    refine: int = Field(
        2,
        ge=0,
        le=16,
        description="Fit the outline to the photo's edges within this many latent cells; 0: not.",
    )
    by_colour: bool = Field(
        True,
        description="Draw the fitted outline anew between the colours inside and outside of it; "
        "with edit.paste_back: recolor along the photo's edges, as the product's own.",
    )
    fill: bool = Field(
        True,
        description="Close holes whose colour is nowhere outside of the outline: highlights, "
        "prints. A handle's opening shows the background, and stays.",
    )
    island: Share = Field(
        0.002, description="Drop parts smaller than this share of the largest; 0: none."
    )
    given: Literal["replace", "intersect"] = Field(
        "replace",
        description="What input.mask does: it takes the place of the model's mask, which is then "
        "not asked for, or limits it.",
    )
    on_empty: Literal["keep", "dead"] = Field(
        "keep", description="An empty mask: keep the unchanged picture, or a dead letter."
    )


class Invert(Section):
    """How far and how to go back to noise: DiffEdit step 2."""

    encoding_ratio: float = Field(0.8, gt=0, le=1, description="The paper's r; higher: freer.")


class Edit(Section):
    """How to denoise under the target prompt, and how to put the result in the photo: step 3."""

    steps: int = Field(50, ge=1, le=1000, description="DDIM steps of the whole schedule.")
    solver: Literal["ddim", "dpm"] = Field(
        "ddim", description="ddim, or dpm: DPM-Solver++(2M), second order, for 20 to 25 steps."
    )
    guidance_scale: float = Field(7.5, ge=0, description="Classifier-free guidance; 1: none.")
    guidance_stop: Share = Field(
        0.25,
        description="Share of an edit's denoising steps after which guidance stops; from then on "
        "a step costs one evaluation instead of two. 1: guided to the end, as in the paper.",
    )
    paste_back: Literal["none", "feather", "recolor"] = Field(
        "feather",
        description="none: the decoded picture; feather: composited on the original pixels; "
        "recolor: the original with the product's one colour changed for the edit's.",
    )
    variants: Variants | None = Field(
        None, description="Several tries at each edit, of which the best by a score are kept."
    )
    feather: float = Field(0.02, ge=0, le=0.5, description="Feather, share of the short side.")


def _range(value: Any) -> Any:
    return (value, value) if isinstance(value, int) else value


def _ascending(value: tuple[int, int]) -> tuple[int, int]:
    if not 1 <= value[0] <= value[1]:
        raise ValueError("give a number of at least 1, or [min, max] with 1 <= min <= max")
    return value


Actors = Annotated[
    tuple[int, int], BeforeValidator(_range, int | list[int]), AfterValidator(_ascending)
]


class Run(Section):
    """How the run is carried out; but for `seed`, nothing here changes a result."""

    seed: int = Field(0, ge=0, lt=2**53, description="Of every noise map, with the row's key.")
    chunk_rows: int = Field(32, ge=1, le=4096, description="Images a chunk (unit of commit).")
    chunk_bytes: int | None = Field(
        16 << 20,
        ge=1,
        description="Bytes of a chunk's images at most, as they are read, but for one image that "
        "has more; null: no bound.",
    )
    limit: int | None = Field(None, ge=1, description="Only the first N images of each shard.")
    actors: Actors = Field((1, 1), description="Model actors: a number, or [min, max].")
    cpus_per_actor: float | None = Field(
        None, ge=0, description="Reserved on Ray, and threads used; unset: the machine's share."
    )
    gpus_per_actor: float | None = Field(None, ge=0, description="Unset: 1 where there are GPUs.")
    changed: Literal["refuse", "again"] = Field(
        "refuse",
        description="Of images that changed since they were edited: stop, or edit them in place "
        "of their old edits.",
    )
    gone: Literal["keep", "drop"] = Field(
        "keep", description="Edits of images that are gone from the input: keep or take out."
    )
    keep_runs: int = Field(100, ge=1, description="Records of runs that an output keeps.")
    max_hours: float | None = Field(
        None,
        gt=0,
        description="Begin nothing more after so many hours: what was begun is committed, the exit "
        "code is 0, and the same command goes on.",
    )
    max_edits: int | None = Field(
        None,
        ge=1,
        description="Begin no chunk more after so many planned edits of this run, likewise; the "
        "last chunk may go beyond it.",
    )
    max_dead_share: Share = Field(
        0.5,
        description="Stop (exit 3) above this share of dead. A run of fewer than 200 planned edits "
        "is judged together with the runs before it, as many as make 200.",
    )
    address: str | None = Field(None, description="Ray cluster to join; unset: RAY_ADDRESS or own.")
    object_store_gb: float = Field(0.5, gt=0, description="Of a Ray started by this run.")

    @property
    def threads(self) -> int:
        """CPU threads of one actor: for its model, and as many for reading and writing pictures."""
        return max(1, round(self.cpus_per_actor or (os.cpu_count() or 1) / self.actors[1]))


class RunConfig(Section):
    """One run: what is read, planned, edited, checked and written."""

    input: Input
    output: Output
    prompts: Prompts
    model: Model
    mask: Mask = Mask()
    invert: Invert = Invert()
    edit: Edit = Edit()
    check: Check = Check()
    labels: dict[str, Label] = Field(
        default_factory=dict,
        description="Column → how an edit changes it: {from: source_word, to: target_word}.",
    )
    split: Split = Field(
        default_factory=dict,
        description="Split → its share of the images: {train: 0.9, test: 0.1}. Each goes to one, "
        "with all its edits, by a digest of its bytes. Unset: none.",
    )
    run: Run = Run()

    @model_validator(mode="before")
    @classmethod
    def _family(cls, raw: Any) -> Any:
        if not isinstance(raw, dict):
            return raw
        return import_module("pipeline.models._auto").completed(raw, variants("models"))

    @model_validator(mode="after")
    def _exact_colours(self) -> RunConfig:
        if getattr(self.prompts, "exact", False) and self.edit.paste_back != "recolor":
            raise ValueError("edit.paste_back: exact colours (a hex) need recolor")
        return self

    @model_validator(mode="after")
    def _tries(self) -> RunConfig:
        variants = self.edit.variants
        if variants is None:
            return self
        if variants.by not in self.check.scores:
            there = ", ".join(self.check.scores)
            raise ValueError(f"edit.variants.by: {variants.by} is none of check.scores: {there}")
        if getattr(self.prompts, "exact", False) and not variants.varies_masks():
            raise ValueError(
                "edit.variants: of an exact colour the mask alone is the model's: draw noise, "
                "mask_strength, mask_threshold or mask_dilate"
            )
        return self

    def result_settings(self) -> dict[str, Any]:
        """What decides the rows that are written: all but places, access and how it is run."""
        settings = self.model_dump(mode="json")
        settings["run"] = {k: settings["run"][k] for k in RUN_KEYS}
        settings["output"] = {k: settings["output"][k] for k in RESULT_KEYS}
        settings["input"].pop("storage", None)
        settings["check"]["models"] = self.check.places()
        for key in ("device", "micro_batch", "compile", "offload_text"):
            settings["model"].pop(key, None)
        for section, key, plain in LATER:
            if settings[section].get(key, plain) == plain:
                settings[section].pop(key, None)
        for name in ("labels", "split"):  # sections that came later
            if not settings[name]:
                settings.pop(name)
        return settings

    def fingerprint(self) -> str:
        """16 hex digits of `result_settings`: equal where two runs write the same rows."""
        canonical = json.dumps(self.result_settings(), sort_keys=True)
        return hashlib.blake2b(canonical.encode(), digest_size=8).hexdigest()
