"""What an edit is asked for, and how many evaluations that takes. Knows no tensor.

Free of torch, so that a plan of a run needs none of it.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from pipeline.config import Edit, Invert, Mask
    from pipeline.variants import Try

Solver = Literal["ddim", "dpm"]
EDIT_KEYS = {"steps", "solver", "guidance_stop"}
MASK_KEYS = {"noise_maps", "clamp", "threshold", "dilate", "refine"}
ROUNDING = 1e-3
"""100 × 0.29 is 28.999999999999996."""


@dataclass(frozen=True)
class Settings:
    """What all targets of a call share; the defaults are the paper's."""

    steps: int = 50
    noise_maps: int = 10
    clamp: float = 3.0
    threshold: float | Literal["auto"] = 0.5
    dilate: int = 0
    refine: int = 0
    solver: Solver = "ddim"
    guidance_stop: float = 1.0

    @classmethod
    def of(cls, mask: Mask, edit: Edit) -> Settings:
        """The settings in two sections of a run's config."""
        return cls(**edit.model_dump(include=EDIT_KEYS), **mask.model_dump(include=MASK_KEYS))


@dataclass(frozen=True)
class Target:
    """One edit of one image of the batch."""

    image: int
    source_prompt: str
    target_prompt: str
    mask_strength: float = 0.5
    encoding_ratio: float = 0.7
    guidance_scale: float = 7.5
    _: KW_ONLY
    denoise: bool = True  # False: only its mask is wanted
    mask_prompt: str | None = None  # for its mask, in place of the target's: several share one
    seed: int | None = None  # of its noise maps; None: its image's
    threshold: float | Literal["auto"] | None = None  # None: the settings'
    dilate: int | None = None  # None: the settings'

    @property
    def contrast_prompt(self) -> str:
        """The text that its mask is made with."""
        return self.target_prompt if self.mask_prompt is None else self.mask_prompt

    def start(self, settings: Settings) -> int:
        """The level that its image is inverted to, and that it is denoised from."""
        return level(settings.steps, self.encoding_ratio)

    def guided(self, settings: Settings) -> range:
        """The levels t whose step to t − 1 is guided: the first share of its steps.

        Guidance is of use where the noise is high (Kynkäänniemi et al. 2024, section 3).
        """
        start = self.start(settings)
        steps = math.ceil(start * settings.guidance_stop - ROUNDING)
        return range(start, start - steps, -1) if self.guidance_scale != 1 else range(0)

    @classmethod
    def of(
        cls,
        image: int,
        planned: Mapping[str, Any],
        mask: Mask,
        invert: Invert,
        edit: Edit,
        drawn: Try | None = None,
    ) -> Target:
        """A planned edit; what it leaves open (None) is as drawn for this try at it, or else as
        three sections of the config say."""

        def given(name: str, default: float) -> float:
            return _or(planned[name], _or(getattr(drawn, name, None), default))

        return cls(
            image,
            planned["source_prompt"],
            planned["target_prompt"],
            given("mask_strength", mask.strength),
            given("encoding_ratio", invert.encoding_ratio),
            given("guidance_scale", edit.guidance_scale),
            # An exact colour is laid on the photo itself: of the model it needs the mask alone.
            denoise=planned.get("colour") is None or edit.paste_back != "recolor",
            mask_prompt=planned.get("mask_prompt"),
            seed=drawn.seed if drawn else None,
            threshold=drawn.mask_threshold if drawn else None,
            dilate=drawn.mask_dilate if drawn else None,
        )


def level(steps: int, ratio: float) -> int:
    """⌊steps·ratio⌋, at least 1: int(steps·ratio), as diffusers' `get_timesteps` has it."""
    return max(1, int(steps * ratio + ROUNDING))


def expected_evaluations(
    targets: Sequence[Target],
    settings: Settings,
    told: bool = False,
    given: Collection[int] = (),
) -> int:
    """Rows through the network that `diffedit` spends where no mask is empty or full.

    `told`: guidance is an input of the network, so that no row is asked twice. `given`: images
    whose mask is given, and so asked of nobody.
    """
    contrasted: set[tuple[int, int | None, int, str]] = set()
    highest: dict[int, int] = {}
    decoding = 0
    for target in targets:
        strength = level(settings.steps, target.mask_strength)
        if target.image not in given:
            for prompt in (target.source_prompt, target.contrast_prompt):
                contrasted.add((target.image, target.seed, strength, prompt))
        if not target.denoise:
            continue
        start = target.start(settings)
        highest[target.image] = max(start, highest.get(target.image, 0))
        decoding += start + (0 if told else len(target.guided(settings)))
    return settings.noise_maps * len(contrasted) + sum(highest.values()) + decoding


def _or(value: float | None, default: float) -> float:
    return default if value is None else value
