"""How much the edited picture still shows what the source shows. Knows no text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pipeline.metrics._shown import Score, Shown

NETWORK = "clip"


def scores(edits: Sequence[Shown], clip: Any) -> list[Score]:
    """CLIP cosine of both pictures, 1 where they are equal."""
    from pipeline.metrics._networks.clip import image_image

    return [*image_image(clip, [e.source for e in edits], [e.edited for e in edits])]
