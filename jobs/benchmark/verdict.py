"""Whether the model's own verdict tells right edits of drawn scenes from wrong ones."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from pipeline.config import Edit, Invert, Mask
from pipeline.demo.evaluate import KINDS, Case, Setup, cases, edit_cases
from pipeline.demo.photos import HELD_OUT
from pipeline.demo.scenes import COLOURS, OBJECTS, PLACES
from pipeline.demo.scores import Picture, psnr
from pipeline.diffusion.seeds import row_seed
from pipeline.metrics import model_verdict
from pipeline.metrics._shown import Shown
from pipeline.models.stable_diffusion import Config
from pipeline.section import build

FIRST = HELD_OUT + 1000
"""Scenes that nothing was chosen on."""
WORDS = {"colour": COLOURS, "object": OBJECTS, "background": PLACES}


def measure(model: str, scenes: int) -> dict[str, Any]:
    """A row a kind of edit: the share of right ones among all, and in either half."""
    torch.set_num_threads(1)
    config = Config(type="stable_diffusion", path=model)
    found = list(judged(build(config), Setup(config, Mask(), Invert(), Edit()), scenes))
    rows = [_row(kind, [one for one in found if one[0].kind == kind]) for kind in KINDS]
    right = "of all scenes that differ in the edited word alone, the wanted one is nearest"
    return {"rows": rows, "right": right, "evaluations an edit": model_verdict.EVALUATIONS}


def judged(model: Any, setup: Setup, scenes: int) -> Iterator[tuple[Case, float, bool, float]]:
    """Case, verdict, whether the edit is right, and its PSNR to the true one in the region."""
    for outcome in edit_cases(model, setup, cases(scenes, FIRST)):
        case, side = outcome.case, outcome.mask.shape[0]
        if not outcome.mask.any():
            continue
        verdict = _verdict(model, case, outcome.picture, outcome.mask)
        region = case.true_region(side)
        gain = psnr(outcome.picture, np.asarray(case.wanted.render(side)), region)
        yield case, verdict, _right(case, outcome.picture), gain


def _verdict(model: Any, case: Case, picture: Picture, mask: Any) -> float:
    whole = torch.from_numpy(mask)[None, None].float()
    cells = torch.nn.functional.avg_pool2d(whole, model.factor)[0, 0] > 0.5
    texts = case.scene.caption, case.wanted.caption
    seed = row_seed(0, "verdict", str(case.number))
    shown = Shown(picture, picture, *texts, cells.numpy(), seed)
    return model_verdict.scores([shown], model)[0] or 0.0


def _right(case: Case, picture: Picture) -> bool:
    """Whether the wanted scene is the nearest in the region that the edit should touch."""
    side, wanted = picture.shape[0], getattr(case.wanted.thing, case.kind, case.wanted.background)
    region = case.true_region(side)
    near = {
        word: psnr(picture, np.asarray(case.scene.edited(**{case.kind: word}).render(side)), region)
        for word in WORDS[case.kind]
    }
    return bool(max(near, key=lambda word: near[word]) == wanted)


def _row(kind: str, found: list[tuple[Case, float, bool, float]]) -> dict[str, Any]:
    from scipy.stats import spearmanr

    ranked = sorted(found, key=lambda one: one[1])
    half = len(ranked) // 2
    parts = {"all": ranked, "worse half": ranked[:half], "better half": ranked[-half:]}
    shares = {f"right, {name}": mean([one[2] for one in some]) for name, some in parts.items()}
    decibels = {f"dB, {name}": mean([one[3] for one in some]) for name, some in parts.items()}
    rank = float(spearmanr([one[1] for one in found], [one[3] for one in found]).statistic)
    return {"kind": kind, "edits": len(found), **shares, **decibels, "rank correlation": rank}


def mean(values: list[Any]) -> float:
    """NaN of nothing."""
    return float(np.mean(values)) if values else float("nan")
