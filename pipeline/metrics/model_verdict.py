"""Whether the editing model itself finds the target in the edited region. Needs no other weights.

Knows no network from inside: the mathematics is `diffusion.verdict`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pipeline.metrics._shown import Score, Shown, signed

NETWORK = "model"
EVALUATIONS = 24
"""Rows through the model an edit: 2 texts × 3 levels of noise × 4 noise maps."""


def scores(edits: Sequence[Shown], model: Any) -> list[Score]:
    """By how much the target text predicts noise in the edited cells better than the source text.

    As a share of the error under the source text: above 0 where the target text explains the region
    better. None where nothing was edited.
    """
    some = [edit for edit in edits if edit.cells.any()]
    found = iter(_verdicts(some, model) if some else ())
    return [next(found) if edit.cells.any() else None for edit in edits]


def _verdicts(edits: Sequence[Shown], model: Any) -> list[float]:
    import torch

    from pipeline.diffusion.verdict import verdicts

    pictures = torch.stack([signed(edit.edited) for edit in edits])
    cells = torch.stack([torch.from_numpy(edit.cells) for edit in edits])
    texts = [(edit.source_prompt, edit.target_prompt) for edit in edits]
    return verdicts(model, pictures, cells, texts, [edit.seed for edit in edits])
