"""Whether the picture changed as the text did. Knows no size of the change."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from pipeline.metrics._shown import Score, Shown

NETWORK = "clip"


def scores(edits: Sequence[Shown], clip: Any) -> list[Score]:
    """CLIP cosine of the pictures' and the texts' change (Gal et al. 2022), -1..1.

    None where the source text is empty, or where the pictures or the texts do not differ.
    """
    from pipeline.metrics._networks.clip import directional

    pictures = [e.source for e in edits], [e.edited for e in edits]
    texts = [e.source_prompt for e in edits], [e.target_prompt for e in edits]
    found = zip(edits, directional(clip, pictures, texts), strict=True)
    return [v if e.source_prompt and not math.isnan(v) else None for e, v in found]
