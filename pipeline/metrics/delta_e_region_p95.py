"""How far the worst of the edited region is from the exact colour asked for. Knows no light."""

from __future__ import annotations

import numpy as np

from pipeline.metrics._colour import region
from pipeline.metrics._pair import Pair

LOWER_IS_BETTER = True


def score(pair: Pair) -> float | None:
    """95th percentile of CIEDE2000 of the edit inside of its mask to the colour asked for.

    A patch that kept the old colour, or went grey, shows here and not in the mean. Of the same
    pixels as `delta_e_region`; None where that is.
    """
    found = region(pair)
    return None if found is None else float(np.percentile(found, 95))
