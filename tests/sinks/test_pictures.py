"""The formats that are read are told apart by what they begin with."""

from __future__ import annotations

from io import BytesIO

import pytest
from PIL import Image

from pipeline.images.decode import FORMATS
from pipeline.sinks.pictures import HEAD, extension

NAMES = {"JPEG": "jpg", "JPEG2000": "jp2"}


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_that_is_read_is_known(name: str) -> None:
    sink = BytesIO()
    Image.new("RGB", (16, 16), (1, 2, 3)).save(sink, name)
    assert extension(sink.getvalue()[:HEAD]) == NAMES.get(name, name.lower())


@pytest.mark.parametrize("data", [b"", b"x", b"<svg/>", b"RIFF\0\0\0\0WAVE", b"\0" * 12])
def test_others_are_not(data: bytes) -> None:
    assert extension(data) == "bin"
