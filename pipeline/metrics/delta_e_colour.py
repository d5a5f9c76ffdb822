"""How near a product is to the exact colour asked for. Knows no pixel that is not its body's."""

from __future__ import annotations

from pipeline.metrics._colour import to_wanted
from pipeline.metrics._pair import Pair

LOWER_IS_BETTER = True


def score(pair: Pair) -> float | None:
    """CIEDE2000 of the edit's representative colour (see `images.body`) to the one asked for.

    Below 2 nobody sees it. Of pixels on a grid of 256 on the short side. None where no exact colour
    was asked for, or the mask is empty.
    """
    if pair.colour is None or pair.reached is None:
        return None
    return float(to_wanted(pair.reached, pair.colour))
