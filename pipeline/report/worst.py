"""Which edits to look at first: those that are worst in any score. Knows no page."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import Any

Row = dict[str, Any]

LOW_IS_WORSE = (
    "background_psnr",
    "background_ssim",
    "edit_change",
    "texture_kept",
    "clip_target",
    "clip_direction",
    "model_verdict",
)
"""Scores whose low values are the bad ones."""
HIGH_IS_WORSE = ("delta_e", "deltae", "de2000")
"""Parts of the names of those whose high values are."""


def worst(rows: Sequence[Row]) -> list[float]:
    """Of each edit its worst rank among `rows` in any score, 0 (best) to 1.

    1 also where the mask is empty or the whole picture. Scores that are good neither high nor low
    by themselves don't count.
    """
    ranks = [_ranks([row.get(name) for row in rows], sign) for name, sign in _signs(rows)]
    odd = [float(row["mask_state"] != "partial") for row in rows]
    return [max(each) for each in zip(odd, *ranks, strict=True)]


def _signs(rows: Sequence[Row]) -> list[tuple[str, int]]:
    """Score columns, with 1 where a high value is worse and -1 where a low one is."""
    names = sorted({name for row in rows for name in row if name.startswith("score_")})
    low = [(name, -1) for name in names if name.removeprefix("score_") in LOW_IS_WORSE]
    high = [(name, 1) for name in names if any(part in name for part in HIGH_IS_WORSE)]
    return low + high


def _ranks(values: Sequence[float | None], sign: int) -> list[float]:
    """The share of the others that are better; 0 where there is no value."""
    order = sorted(sign * value for value in values if value is not None)
    return [
        0.0 if value is None else bisect_left(order, sign * value) / max(1, len(order) - 1)
        for value in values
    ]
