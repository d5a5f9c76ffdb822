"""Tells an encoded picture's format from its first bytes. Decodes nothing."""

from __future__ import annotations

import pyarrow as pa

_MAGIC = (
    (0, b"\xff\xd8\xff", "jpg"),
    (0, b"\x89PNG", "png"),
    (8, b"WEBP", "webp"),
    (4, b"ftypavi", "avif"),
    (4, b"ftypmif1", "avif"),
    (0, b"GIF8", "gif"),
    (0, b"BM", "bmp"),
    (0, b"II*\x00", "tiff"),
    (0, b"MM\x00*", "tiff"),
    (0, b"II+\x00", "tiff"),
    (0, b"MM\x00+", "tiff"),
    (4, b"jP  ", "jp2"),
    (0, b"\xff\x4f\xff\x51", "jp2"),
    *((0, b"P%d" % number, "ppm") for number in range(1, 8)),
)
HEAD = 12
"""Bytes that tell it."""


def extension(data: bytes) -> str:
    """Extension that the bytes deserve, without a dot; `bin` where the format is unknown."""
    return next((name for at, magic, name in _MAGIC if data.startswith(magic, at)), "bin")


def told(view: pa.Buffer) -> str:
    """`extension` of bytes that are not copied for it."""
    return extension(view[:HEAD].to_pybytes())
