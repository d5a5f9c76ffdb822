"""Thumbnails: a picture as it is seen on white."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from pipeline.report.pictures import thumbnail


@pytest.mark.parametrize("format", ["PNG", "WEBP"])
def test_what_is_transparent_shows_white(format: str) -> None:
    image = Image.new("RGBA", (16, 16), (200, 40, 30, 0))
    image.paste((10, 20, 200, 255), (8, 0, 16, 16))
    sink = io.BytesIO()
    image.save(sink, format, lossless=True, exact=True)
    small = thumbnail(sink.getvalue())
    assert small is not None and small.mode == "RGB"
    assert small.getpixel((0, 0)) == (255, 255, 255) and small.getpixel((15, 0)) == (10, 20, 200)
