"""Encoded pictures → one small picture of them side by side, to look at. Knows no dataset."""

from __future__ import annotations

import io
from collections.abc import Sequence

from PIL import Image

from pipeline.errors import RowError
from pipeline.images.decode import decode
from pipeline.images.encode import marked

SIDE = 192
"""Pixels of the longer side of each, at most: three of noise, the worst there is, are 60 kB."""
GAP = 6
QUALITY = 80
MOST = 50_000_000
"""Pixels of a picture, whose decoding takes 300 MB: who asks may be a small machine."""


def side_by_side(pictures: Sequence[bytes]) -> bytes | None:
    """A JPEG of them from left to right, on white, that says that a model made part of it.

    The same bytes give the same bytes. None where one cannot be decoded or has over `MOST` pixels.
    """
    try:
        small = [_small(data) for data in pictures]
    except RowError:
        return None
    size = (sum(each.width + GAP for each in small) - GAP, max(each.height for each in small))
    strip, left = Image.new("RGB", size, "white"), 0
    for each in small:
        strip.paste(each, (left, 0))
        left += each.width + GAP
    sink = io.BytesIO()
    strip.save(sink, "JPEG", quality=QUALITY, optimize=True)
    return marked(sink.getvalue())


def _small(data: bytes) -> Image.Image:
    picture = Image.fromarray(decode(data, MOST).on_white())
    picture.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
    return picture
