"""How much the whole picture changed to the eye. Knows no text and no mask."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pipeline.metrics._shown import Score, Shown, signed

NETWORK = "lpips"
LOWER_IS_BETTER = True


def scores(edits: Sequence[Shown], lpips: Any) -> list[Score]:
    """LPIPS (Zhang et al. 2018) with AlexNet, 0 where both pictures are equal."""
    from pipeline.metrics._networks.lpips import distances

    ones, others = [signed(e.source) for e in edits], [signed(e.edited) for e in edits]
    return [*distances(lpips, ones, others)]
