"""How much the edited picture still shows the same things. Knows no text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pipeline.metrics._shown import Score, Shown

NETWORK = "dino"


def scores(edits: Sequence[Shown], dino: Any) -> list[Score]:
    """Cosine of the class tokens of both pictures (as in DreamBooth), 1 where they are equal."""
    from pipeline.metrics._networks.dino import subject_cosines

    return [*subject_cosines(dino, [e.source for e in edits], [e.edited for e in edits])]
