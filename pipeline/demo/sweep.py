"""Which settings suit the demo model: the mask's, how far to invert and how to guide, the solver.

`python -m pipeline.demo.sweep OUT.md [MODEL [Masks|Edits|Solvers|Recolouring]]` writes its
tables as Markdown, each once it is done.
It uses held-out scenes that the evaluation doesn't, so that the choice is not made on the test.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pipeline.config import Mask
from pipeline.demo.evaluate import (
    KINDS,
    Case,
    Scores,
    Setup,
    cases,
    edit_cases,
    reference_edits,
    score,
    target,
)
from pipeline.demo.photos import HELD_OUT
from pipeline.demo.scores import interval, mask_scores
from pipeline.diffusion.diffedit import diffedit
from pipeline.diffusion.mask import soft
from pipeline.diffusion.refine import refined
from pipeline.diffusion.settings import Settings, Solver, Target, expected_evaluations
from pipeline.diffusion.threshold import automatic
from pipeline.images.bucket import to_model
from pipeline.images.paste import paste_back
from pipeline.models.stable_diffusion import Config
from pipeline.section import build

FIRST = HELD_OUT + 500_000
"""Far from the scenes that `evaluate` and `make_data` draw."""
MASK_ROWS, EDIT_ROWS, SOLVER_ROWS = 24, 12, 48
"""Scenes of each table."""
STRENGTHS = (0.3, 0.4, 0.5, 0.6, 0.7)
MAPS = (5, 10, 20)
CUTS = (0.6, 0.75, 0.9, 1.05, 1.2, 1.5, 1.8)
RATIOS = (0.5, 0.6, 0.7, 0.8, 0.9)
GUIDANCE = (2.0, 4.0, 7.5)
SOLVERS: tuple[tuple[Solver, int, float, float], ...] = (
    ("ddim", 50, 5, 1),
    ("ddim", 50, 5, 0.5),
    ("ddim", 50, 5, 0.25),
    ("ddim", 50, 7.5, 1),
    ("ddim", 50, 7.5, 0.5),
    ("ddim", 50, 7.5, 0.25),
    ("ddim", 20, 7.5, 1),
    ("ddim", 20, 7.5, 0.25),
    ("ddim", 12, 7.5, 0.25),
    ("dpm", 20, 7.5, 1),
    ("dpm", 20, 7.5, 0.25),
    ("dpm", 12, 7.5, 0.25),
)
"""Solver, steps, guidance scale, and the share of the denoising steps that is guided."""
RECOLOURINGS: tuple[tuple[Solver, int, int], ...] = (
    ("ddim", 50, 10),
    ("ddim", 20, 10),
    ("ddim", 20, 4),
    ("ddim", 12, 4),
    ("ddim", 12, 2),
    ("ddim", 10, 4),
    ("ddim", 10, 2),
    ("ddim", 8, 2),
    ("dpm", 12, 4),
    ("dpm", 10, 4),
    ("dpm", 8, 4),
)
"""Solver, steps and noise maps."""
REFERENCE_EVALUATIONS = 200
SHOWN = ("region_psnr", "region_delta_e", "right_colour", "unpasted_background_psnr")
UNCLIPPED = 64.0
"""A clamp that clips nothing on a 16×16 grid."""


def changed(setup: Setup, section: str, **values: Any) -> Setup:
    """The setup with some keys of one section replaced."""
    return replace(setup, **{section: getattr(setup, section).model_copy(update=values)})


def mask_table(model: Any, setup: Setup, todo: Sequence[Case]) -> list[str]:
    """Mean IoU by strength, maps and cut; `auto` is the cut found for each map.

    With a map clipped at `clamp` means and rescaled to 0..1, "above the threshold" says "above
    clamp · threshold means": only that product, the cut, matters, so one map serves all cuts.
    """
    lines = [
        "| kind | strength | maps | " + " | ".join(f"cut {cut:g}" for cut in CUTS) + " | auto |"
    ]
    lines.append("|---" * (4 + len(CUTS)) + "|")
    pairs = [(strength, setup.mask.noise_maps) for strength in STRENGTHS]
    pairs += [(setup.mask.strength, maps) for maps in MAPS if maps != setup.mask.noise_maps]
    for strength, maps in pairs:
        heats = _heats(model, changed(setup, "mask", strength=strength, noise_maps=maps), todo)
        for kind in KINDS:
            found = [f"{_iou(model, heats, todo, kind, cut):.3f}" for cut in (*CUTS, None)]
            lines.append(f"| {kind} | {strength:g} | {maps} | " + " | ".join(found) + " |")
    return lines


def edit_table(model: Any, setup: Setup, todo: Sequence[Case]) -> list[str]:
    """Scores of the edits by encoding ratio and guidance."""
    lines = _head("ratio", "guidance", "mask_iou", *SHOWN)
    for ratio in RATIOS:
        for scale in GUIDANCE:
            chosen = changed(setup, "invert", encoding_ratio=ratio)
            chosen = changed(chosen, "edit", guidance_scale=scale)
            scores = [score(outcome) for outcome in edit_cases(model, chosen, todo)]
            lines += _lines(f"{ratio:g} | {scale:g}", todo, scores)
    return lines


def solver_table(model: Any, setup: Setup, todo: Sequence[Case]) -> list[str]:
    """Scores of the edits by solver, steps and guidance, and of diffusers' own pipeline.

    `gain` is the mean difference in region_psnr to the first row's edit of the same scene, with
    its 95 % interval. `evaluations` are those of an image with one target.
    """
    columns = ("solver", "steps", "guidance", "stop", "evaluations", "mask_iou", *SHOWN, "gain")
    lines = _head(*columns)
    first: list[Scores] = []
    for solver, steps, scale, stop in SOLVERS:
        guidance = {"guidance_scale": scale, "guidance_stop": stop}
        chosen = changed(setup, "edit", solver=solver, steps=steps, **guidance)
        scores = [score(outcome) for outcome in edit_cases(model, chosen, todo)]
        first = first or scores
        count = expected_evaluations([target(chosen, 0, todo[0])], chosen.settings)
        label = f"{solver} | {steps} | {scale:g} | {stop:g} | {count}"
        lines += _lines(label, todo, scores, first)
    reference = [score(outcome) for outcome in reference_edits(model, setup, todo)]
    scale = setup.edit.guidance_scale
    label = f"reference | {setup.edit.steps} | {scale:g} | 1 | {REFERENCE_EVALUATIONS}"
    return lines + _lines(label, todo, reference, first)


def recolouring_table(model: Any, setup: Setup, todo: Sequence[Case]) -> list[str]:
    """Scores of colour edits in recolour mode by solver, steps and maps.

    `evaluations` are those of an edit, with one target an image and with eight.
    """
    mine = [case for case in todo if case.kind == "colour"]
    names = ("region_psnr", "region_delta_e", "right_colour")
    lines = _head("steps", "maps", "evaluations", "of eight", "mask_iou", *names, first="solver")
    for solver, steps, maps in RECOLOURINGS:
        chosen = changed(setup, "edit", solver=solver, steps=steps)
        chosen = changed(chosen, "mask", noise_maps=maps)
        scores = [score(outcome) for outcome in edit_cases(model, chosen, mine)]
        one = target(chosen, 0, mine[0])
        eight = [replace(one, target_prompt=f"target {number}") for number in range(8)]
        counts = (
            expected_evaluations(some, chosen.settings) / len(some) for some in ([one], eight)
        )
        means = [
            interval([s[name] for s in scores]).mean
            for name in ("mask_iou", *(f"recolored_{name}" for name in names))
        ]
        cells = [solver, steps, maps, *(f"{c:.3g}" for c in counts), *(f"{m:.3g}" for m in means)]
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return lines


def _head(*names: str, first: str = "kind") -> list[str]:
    columns = [first, *names]
    return ["| " + " | ".join(columns) + " |", "|---" * len(columns) + "|"]


def _lines(
    label: str, todo: Sequence[Case], scores: Sequence[Scores], first: Sequence[Scores] = ()
) -> list[str]:
    """A line a kind of edit: means, and the gain on `first` where it is given."""
    lines = []
    for kind in KINDS:
        mine = [i for i, case in enumerate(todo) if case.kind == kind]
        cells = [kind, label, f"{interval([scores[i]['mask_iou'] for i in mine]).mean:.3f}"]
        for name in SHOWN:
            # The reference is never pasted back, so its picture has no second, bare version.
            values = [scores[i].get(name, scores[i][name.removeprefix("unpasted_")]) for i in mine]
            cells.append(f"{interval(values).mean:.3g}")
        if first:
            gain = interval([scores[i]["region_psnr"] - first[i]["region_psnr"] for i in mine])
            cells.append(f"{gain.mean:+.2f} ({gain.low:+.2f} to {gain.high:+.2f})")
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def _heats(model: Any, setup: Setup, todo: Sequence[Case]) -> list[torch.Tensor]:
    """Each case's map in units of its own mean, (h, w)."""
    sides = (model.resolution, model.resolution)
    photos = [to_model(np.asarray(case.scene.render(sides)), sides) for case in todo]
    mask = setup.mask
    settings = Settings(setup.edit.steps, mask.noise_maps, UNCLIPPED, threshold=0.999)
    targets = [
        Target(i, case.scene.caption, case.wanted.caption, mask.strength)
        for i, case in enumerate(todo)
    ]
    seeds = [case.number for case in todo]
    # With such a threshold no mask has a cell, so nothing is inverted or denoised.
    result = diffedit(model, torch.stack(photos), targets, seeds, settings)
    return [edited.heat * UNCLIPPED for edited in result.edits]


def _iou(
    model: Any, heats: Sequence[torch.Tensor], todo: Sequence[Case], kind: str, cut: float | None
) -> float:
    side = model.resolution
    blank = np.zeros((side, side, 3), dtype=np.uint8)
    values = []
    for heat, case in zip(heats, todo, strict=True):
        if case.kind == kind:
            photo = to_model(np.asarray(case.scene.render(side)), (side, side))
            cells = Mask().refine
            above = automatic(heat[None], photo[None], [0], cells) if cut is None else cut
            outline = refined(soft(heat[None], above, 0), photo[None], [0], cells)[0]
            grown = paste_back(blank, torch.zeros(3, side, side), outline, "none", 0.0)[1] > 127
            values.append(mask_scores(grown, case.true_region(side))["mask_iou"])
    return interval(values).mean


def main(output: str, model: str = "demo", only: str = "") -> None:
    """Sweeps around the default settings and writes the tables (`only`: of that first word)."""
    setup = Setup(Config(path=model))
    loaded = build(setup.model)
    parts = (
        (f"Masks: mean IoU, {MASK_ROWS} scenes", mask_table, MASK_ROWS),
        (f"Edits: means over {EDIT_ROWS} scenes, pasted back", edit_table, EDIT_ROWS),
        (f"Solvers: means over {SOLVER_ROWS} scenes, pasted back", solver_table, SOLVER_ROWS),
        (f"Recolouring: means over {SOLVER_ROWS} scenes", recolouring_table, SOLVER_ROWS),
    )
    text = ""
    for title, make_table, rows in parts:
        if not title.startswith(only):
            continue
        lines = make_table(loaded, setup, cases(rows, FIRST))
        text += f"## {title}\n\n" + "\n".join(lines) + "\n\n"
        Path(output).write_text(text)
        print(title, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:4])
