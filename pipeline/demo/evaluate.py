"""The scenes protocol: edits of held-out scenes against their true masks and counterfactuals.

Drives the same engine, paste-back and settings as a run, and diffusers' own DiffEdit pipeline on
the same model, photos, seeds and settings as the reference. Knows no dataset.
"""

from __future__ import annotations

import json
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from pipeline.config import Edit, Invert, Mask
from pipeline.demo.make_data import planned_edits
from pipeline.demo.photos import HELD_OUT
from pipeline.demo.scenes import Scene
from pipeline.demo.scores import (
    Interval,
    Picture,
    Region,
    interval,
    mask_scores,
    psnr,
    region_scores,
    seen_colour,
)
from pipeline.diffusion.diffedit import diffedit
from pipeline.diffusion.noise import row_seed
from pipeline.diffusion.settings import Settings, Target
from pipeline.images.bucket import to_model
from pipeline.images.paste import paste_back
from pipeline.models import _folder
from pipeline.models.stable_diffusion import Config
from pipeline.section import build

KINDS = ("colour", "object", "background")
SHEET_EDITS = 24
BATCH = 8
"""Scenes edited together."""
Scores = dict[str, float]
Track = Callable[[Iterator["Outcome"], int, str], Iterable["Outcome"]]


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


def evaluate(
    output: Path,
    rows: int,
    model: str = "demo",
    *,
    reference_rows: int = 8,
    track: Track = lambda edits, total, description: edits,
) -> str:
    """Edits `rows` scenes in three ways each and writes metrics.json, table.md and sheet.png.

    `model` is as model.path in a config; the slow reference gets the first
    `reference_rows` of the scenes (0: none), and `same_scenes` is this project on just those.
    `track` passes edits on and shows how many of `total` there were. Returns the table.
    """
    output.mkdir(parents=True, exist_ok=True)
    setup = Setup(Config(path=model))
    loaded = build(setup.model)
    todo = cases(rows)
    outcomes = list(track(edit_cases(loaded, setup, todo), len(todo), "editing"))
    metrics: dict[str, Any] = summary(outcomes)
    sheet(outcomes[:SHEET_EDITS]).save(output / "sheet.png")
    metrics["scenes"] = rows
    reference = cases(min(rows, reference_rows))
    if reference:
        metrics["same_scenes"] = summary(outcomes[: len(reference)])
        edits = track(reference_edits(loaded, setup, reference), len(reference), "reference")
        metrics["reference"] = summary(edits)
        metrics["reference_scenes"] = min(rows, reference_rows)
    (output / "metrics.json").write_text(json.dumps(metrics, indent=1) + "\n")
    (output / "table.md").write_text(table(metrics))
    return table(metrics)


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
        result = diffedit(model, images.to(model.device), targets, seeds, settings)
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
    """diffusers' StableDiffusionDiffEditPipeline, one picture at a time, as its manual shows."""
    pipeline = _reference(setup)
    steps, scale = setup.edit.steps, setup.edit.guidance_scale
    for case in todo:
        photo = case.scene.render(model.resolution)
        source, target = case.scene.caption, case.wanted.caption
        draw = torch.Generator().manual_seed(_seed(setup, case.number))
        mask = pipeline.generate_mask(
            photo,
            target,
            source_prompt=source,
            num_maps_per_mask=setup.mask.noise_maps,
            mask_encode_strength=setup.mask.strength,
            mask_thresholding_ratio=setup.mask.clamp,
            num_inference_steps=steps,
            guidance_scale=scale,
            generator=draw,
        )
        latents = pipeline.invert(
            source,
            photo,
            num_inference_steps=steps,
            inpaint_strength=setup.invert.encoding_ratio,
            guidance_scale=scale,
            generator=draw,
        ).latents
        edited = pipeline(
            target,
            mask_image=mask.copy(),
            image_latents=latents,
            inpaint_strength=setup.invert.encoding_ratio,
            num_inference_steps=steps,
            guidance_scale=scale,
            negative_prompt=source,
            generator=draw,
        ).images[0]
        grid = torch.from_numpy(mask[0] > 0)
        picture = to_model(np.asarray(edited), photo.size)
        unpasted, outline = paste_back(np.asarray(photo), picture, grid, "none", 0.0)
        yield Outcome(case, outline > 127, unpasted)


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


def summary(outcomes: Iterable[Outcome]) -> dict[str, dict[str, dict[str, float]]]:
    """kind → score → mean with its 95 % interval."""
    values: dict[str, defaultdict[str, list[float]]] = {kind: defaultdict(list) for kind in KINDS}
    for outcome in outcomes:
        for name, value in score(outcome).items():
            values[outcome.case.kind][name].append(value)
    return {
        kind: {name: asdict(interval(numbers)) for name, numbers in scores.items()}
        for kind, scores in values.items()
    }


def table(metrics: dict[str, Any]) -> str:
    """metrics.json for people, in Markdown: a row a score; side by side on the same scenes."""
    columns = [(f"{kind} ({metrics['scenes']} scenes)", metrics[kind]) for kind in KINDS]
    if "reference" in metrics:
        few = metrics["reference_scenes"]
        for kind in KINDS:
            columns.append((f"{kind} (first {few})", metrics["same_scenes"][kind]))
            columns.append((f"reference {kind} (first {few})", metrics["reference"][kind]))
    names = list(dict.fromkeys(name for _, scores in columns for name in scores))
    lines = ["| score | " + " | ".join(title for title, _ in columns) + " |"]
    lines.append("|---" * (len(columns) + 1) + "|")
    for name in names:
        cells = [_cell(scores.get(name)) for _, scores in columns]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def sheet(outcomes: Sequence[Outcome], columns: int = 4) -> Image.Image:
    """Per edit: the photo, the mask, the edit and the true counterfactual, side by side."""
    side = outcomes[0].mask.shape[0]
    rows = -(-len(outcomes) // columns)
    gap = 8
    page = Image.new("RGB", (columns * (4 * side + gap), rows * (side + gap)), "white")
    for place, outcome in enumerate(outcomes):
        tiles = [
            outcome.case.scene.render(side),
            Image.fromarray(outcome.mask.astype(np.uint8) * 255),
            Image.fromarray(outcome.picture),
            outcome.case.wanted.render(side),
        ]
        top, left = place // columns * (side + gap), place % columns * (4 * side + gap)
        for number, tile in enumerate(tiles):
            page.paste(tile, (left + number * side, top))
    return page


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


def _cell(found: dict[str, float] | None) -> str:
    if found is None:
        return "–"
    value = Interval(**found)
    return f"{value.mean:.3g} ({value.low:.3g}–{value.high:.3g})"


def _reference(setup: Setup) -> Any:
    from diffusers import (
        DDIMInverseScheduler,
        StableDiffusionDiffEditPipeline,
        StableDiffusionPipeline,
    )

    folder = _folder.find(setup.model.path, setup.model.revision)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        plain: Any = StableDiffusionPipeline.from_pretrained(  # type: ignore[no-untyped-call]
            folder, torch_dtype=torch.float32, safety_checker=None
        )
        parts = ("vae", "text_encoder", "tokenizer", "unet", "scheduler")
        pipeline: Any = StableDiffusionDiffEditPipeline(  # type: ignore[no-untyped-call]
            **{part: getattr(plain, part) for part in parts},
            inverse_scheduler=DDIMInverseScheduler.from_config(plain.scheduler.config),  # type: ignore[no-untyped-call]
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline
