"""What the best of several tries at edits of drawn scenes is worth, by the model's own verdict."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import torch

from jobs.benchmark.verdict import judged, mean
from pipeline.config import Edit, Invert, Mask
from pipeline.demo.evaluate import KINDS, Setup
from pipeline.models.stable_diffusion import Config
from pipeline.section import build
from pipeline.variants import Range, Variants

Try = tuple[float, bool, float]
"""Verdict, whether the edit is right, and its dB to the true one in the region."""


def measure(model: str, scenes: int, tries: int) -> dict[str, Any]:
    """A row a kind of edit: the share of right ones of one try, of the best, and of any."""
    torch.set_num_threads(1)
    config = Config(type="stable_diffusion", path=model)
    built, found = build(config), defaultdict[tuple[str, int], list[Try]](list)
    drawn = Variants(tries=tries, by="model_verdict", encoding_ratio=Range(min=0.6, max=0.95))
    for attempt in drawn.drawn(0):
        ratio = Invert(encoding_ratio=attempt.encoding_ratio)
        setup = Setup(config, Mask(), ratio, Edit(), seed=attempt.number)
        for case, *told in judged(built, setup, scenes):
            found[case.kind, case.number].append((told[0], told[1], told[2]))
    rows = [_row(kind, [some for (k, _), some in found.items() if k == kind]) for kind in KINDS]
    return {"rows": rows, "tries": tries, "drawn": "noise maps; encoding_ratio 0.6 to 0.95"}


def _row(kind: str, found: list[list[Try]]) -> dict[str, Any]:
    every = [each for some in found for each in some]
    best = [max(some) for some in found]
    return {
        "kind": kind,
        "edits": len(found),
        "right, a try": mean([right for _, right, _ in every]),
        "right, best by verdict": mean([right for _, right, _ in best]),
        "right, any": mean([any(right for _, right, _ in some) for some in found]),
        "dB, a try": mean([gain for *_, gain in every]),
        "dB, best by verdict": mean([gain for *_, gain in best]),
        "dB, best by truth": mean([max(gain for *_, gain in some) for some in found]),
    }
