"""How far the edited region is from the exact colour asked for. Knows no light: shade counts."""

from __future__ import annotations

from pipeline.metrics._colour import region
from pipeline.metrics._pair import Pair

LOWER_IS_BETTER = True


def score(pair: Pair) -> float | None:
    """Mean CIEDE2000 of the edit inside of its mask to the colour asked for.

    Light, shade and prints are in it: it says how far the whole is, not how wrong. Of pixels at the
    photo's own size, 65,536 drawn where the mask's box has more. None where no exact colour was
    asked for, or the mask is empty.
    """
    found = region(pair)
    return None if found is None else float(found.mean())
