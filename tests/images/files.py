"""Picture files made byte by byte, or by encoders other than ours. Knows no pipeline."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
import tifffile
from PIL import Image

SIGNATURE = b"\x89PNG\r\n\x1a\n"


def encoded(image: Image.Image, format: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, format, **options)
    return out.getvalue()


def chunk(name: bytes, data: bytes, checksum: int | None = None) -> bytes:
    crc = zlib.crc32(name + data) if checksum is None else checksum
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", crc)


def png(values: Any, depth: int, colour: int, *before: bytes, after: bytes = b"") -> bytes:
    """(H, W) or (H, W, C) integers as a PNG of `depth` bits and IHDR's `colour` type.

    `before` and `after`: whole chunks on either side of the picture's data.
    """
    values = np.asarray(values)
    height, width = values.shape[:2]
    flat = values.reshape(height, -1)
    if depth == 16:
        rows = flat.astype(">u2").tobytes()
    else:
        bits = (flat[..., None] >> np.arange(depth - 1, -1, -1)) & 1
        rows = np.packbits(bits.reshape(height, -1).astype(np.uint8), axis=1).tobytes()
    length = len(rows) // height
    filtered = b"".join(b"\0" + rows[i * length : (i + 1) * length] for i in range(height))
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    data = chunk(b"IDAT", zlib.compress(filtered))
    body = chunk(b"IHDR", header) + b"".join(before) + data + after
    return SIGNATURE + body + chunk(b"IEND", b"")


def tiff(values: Any, **options: Any) -> bytes:
    out = io.BytesIO()
    tifffile.imwrite(out, np.asarray(values), **options)
    return out.getvalue()


def split(data: bytes) -> list[tuple[bytes, bytes]]:
    """A JPEG's segments up to its scan, and then the rest as one: (marker, whole segment)."""
    found, at = [(data[:2], data[:2])], 2
    while data[at + 1] != 0xDA:
        end = at + 2 + struct.unpack_from(">H", data, at + 2)[0]
        found.append((data[at : at + 2], data[at:end]))
        at = end
    return [*found, (b"scan", data[at:])]


def segment(marker: int, payload: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(payload) + 2) + payload


def with_segments(jpeg: bytes, *segments: bytes) -> bytes:
    return jpeg[:2] + b"".join(segments) + jpeg[2:]
