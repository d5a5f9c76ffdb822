"""How well the edited picture fits the target text. Knows nothing of the source."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pipeline.metrics._shown import Score, Shown

NETWORK = "clip"


def scores(edits: Sequence[Shown], clip: Any) -> list[Score]:
    """CLIP cosine (InstructPix2Pix's clip_sim_1), -1..1."""
    from pipeline.metrics._networks.clip import image_text

    return [*image_text(clip, [e.edited for e in edits], [e.target_prompt for e in edits])]
