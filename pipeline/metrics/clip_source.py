"""How well the source picture fits its source text. Knows nothing of the edit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pipeline.metrics._shown import Score, Shown

NETWORK = "clip"


def scores(edits: Sequence[Shown], clip: Any) -> list[Score]:
    """CLIP cosine (InstructPix2Pix's clip_sim_0), -1..1; None where the source text is empty."""
    from pipeline.metrics._networks.clip import image_text

    found = image_text(clip, [e.source for e in edits], [e.source_prompt for e in edits])
    return [v if e.source_prompt else None for e, v in zip(edits, found, strict=True)]
