"""The eight ways that a file may store a picture (EXIF's orientation, CIPA DC-008), as views.

Knows no file.
"""

from __future__ import annotations

from typing import Any

import numpy as np

UPRIGHT = 1
_UPRIGHT_OF = {1: 1, 2: 2, 3: 3, 4: 4, 5: 5, 6: 8, 7: 7, 8: 6}
"""The way that undoes each."""


def stored(upright: Any, orientation: int) -> Any:
    """The pixels, (H, W, …), in the order in which a file of that orientation holds them."""
    return shown(upright, _UPRIGHT_OF[orientation])


def shown(pixels: Any, orientation: int) -> Any:
    """What a file of that orientation holds, upright."""
    swapped = np.swapaxes(pixels, 0, 1) if orientation in (5, 6, 7, 8) else pixels
    down = -1 if orientation in (3, 4, 7, 8) else 1
    across = -1 if orientation in (2, 3, 6, 7) else 1
    return swapped[::down, ::across]
