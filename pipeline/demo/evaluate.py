"""Edits of held-out scenes in this process, against their true masks and counterfactuals.

For sweeps over settings (`sweep`): drives the same engine and paste-back as a run, and diffusers'
own pipeline on the same model, photos, seeds and settings. Knows no run and no dataset.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from pipeline.config import Edit, Invert, Mask
from pipeline.demo.make_data import planned_edits
from pipeline.demo.photos import HELD_OUT
from pipeline.demo.reference import Reference
from pipeline.demo.scenes import Scene
from pipeline.demo.scores import (
    Picture,
    Region,
    mask_scores,
    psnr,
    region_scores,
    seen_colour,
)
from pipeline.diffusion.diffedit import diffedit
from pipeline.diffusion.seeds import row_seed
from pipeline.diffusion.settings import Settings, Target
from pipeline.images.bucket import to_model
from pipeline.images.paste import paste_back
from pipeline.images.whole import tidy
from pipeline.models.stable_diffusion import Config

KINDS = ("colour", "object", "background")
BATCH = 8
"""Scenes edited together."""
Scores = dict[str, float]


@dataclass(frozen=True)
class Setup:
    """The sections of a run's config that decide an edit, at their defaults (docs/sweep.md)."""

    model: Config
    mask: Mask = field(default_factory=Mask)
    invert: Invert = field(default_factory=Invert)
    edit: Edit = field(default_factory=Edit)
    seed: int = 0

    @property
    def settings(self) -> Settings:
        """What the engine shares among targets."""
        return Settings.of(self.mask, self.edit)


@dataclass(frozen=True)
class Case:
    """One edit of one held-out scene."""

    number: int
    kind: str
    scene: Scene
    wanted: Scene

    def true_region(self, size: int) -> Region:
        """What the edit should touch, (size, size); of a new object, both outlines."""
        thing = self.scene.mask(size)
        if self.kind == "background":
            return ~thing
        return thing | self.wanted.mask(size)


@dataclass(frozen=True)
class Outcome:
    """What an editor made of a case: its mask, its picture, and that pasted back otherwise."""

    case: Case
    mask: Region
    picture: Picture
    unpasted: Picture | None = None
    recolored: Picture | None = None


def cases(rows: int, first: int = HELD_OUT) -> list[Case]:
    """Colour, object and background edit of the scenes first … first + rows − 1."""
    return [
        Case(number, kind, scene, wanted)
        for number in range(first, first + rows)
        for scene in [Scene.draw(number)]
        for kind, wanted in planned_edits(scene, number).items()
    ]


def edit_cases(model: Any, setup: Setup, todo: Sequence[Case]) -> Iterator[Outcome]:
    """This project's edits of the cases, as a run makes them."""
    settings, edit = setup.settings, setup.edit
    for start in range(0, len(todo), BATCH * len(KINDS)):
        batch = todo[start : start + BATCH * len(KINDS)]
        numbers = list(dict.fromkeys(case.number for case in batch))
        photos = {case.number: np.asarray(case.scene.render(model.resolution)) for case in batch}
        sides = (model.resolution, model.resolution)
        images = torch.stack([to_model(photos[number], sides) for number in numbers])
        targets = [target(setup, numbers.index(case.number), case) for case in batch]
        seeds = [_seed(setup, number) for number in numbers]
        how = setup.mask
        # Colour edits are scored in recolour mode too, and outlined as it has them.
        mends = [tidy(how.by_colour, case.kind == "colour", how.fill, how.island) for case in batch]
        pictures = images.to(model.device)
        result = diffedit(model, pictures, targets, seeds, settings, tidies=mends)
        for case, edited in zip(batch, result.edits, strict=True):
            photo = photos[case.number]
            picture = images[numbers.index(case.number)] if edited.image is None else edited.image
            pasted, _ = paste_back(photo, picture, edited.outline, edit.paste_back, edit.feather)
            unpasted, mask = paste_back(photo, picture, edited.outline, "none", edit.feather)
            recolored = None
            if case.kind == "colour":
                recolored, _ = paste_back(photo, picture, edited.outline, "recolor", edit.feather)
            yield Outcome(case, mask > 127, pasted, unpasted, recolored)


def reference_edits(model: Any, setup: Setup, todo: Sequence[Case]) -> Iterator[Outcome]:
    """diffusers' own DiffEdit, one picture at a time."""
    reference = Reference(setup.model, setup.mask, setup.invert, setup.edit)
    for case in todo:
        photo = case.scene.render(model.resolution)
        captions = case.scene.caption, case.wanted.caption
        picture, mask = reference.edit(photo, *captions, _seed(setup, case.number))
        yield Outcome(case, mask > 127, picture)


def score(outcome: Outcome) -> Scores:
    """Every score of one edit; without paste-back unpasted_…, in recolour mode recolored_…."""
    case, side = outcome.case, outcome.mask.shape[0]
    original = np.asarray(case.scene.render(side))
    wanted = np.asarray(case.wanted.render(side))
    region = case.true_region(side)
    scores = mask_scores(outcome.mask, region)
    others = {"unpasted_": outcome.unpasted, "recolored_": outcome.recolored}
    pictures = {"": outcome.picture, **others}
    for prefix, picture in pictures.items():
        if picture is None:
            continue
        found = region_scores(picture, wanted, region)
        found["background_psnr"] = psnr(picture, original, ~region)
        found["right_colour"] = float(seen_colour(picture, case.wanted) == case.wanted.thing.colour)
        scores |= {prefix + name: value for name, value in found.items()}
    return scores


def target(setup: Setup, image: int, case: Case) -> Target:
    """What the engine is asked for, with the case's photo at place `image` of the batch."""
    return Target(
        image,
        case.scene.caption,
        case.wanted.caption,
        setup.mask.strength,
        setup.invert.encoding_ratio,
        setup.edit.guidance_scale,
    )


def _seed(setup: Setup, number: int) -> int:
    return row_seed(setup.seed, "scenes", str(number))
