"""The segments of a JPEG file, and those that say how it looks. Knows no pixel.

Pillow takes an odd application segment for a broken picture. What has no say in how the picture
looks is left out before Pillow reads the file. (ITU-T T.81, annex B.)
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence

SIGNATURE = b"\xff\xd8\xff"
END = b"\xff\xd9"

XMP_HEAD = b"http://ns.adobe.com/xap/1.0/\0"

_SCAN = 0xDA
_EXTRA = {*range(0xE0, 0xF0), 0xFE}
"""Application segments and comments."""
_SEEN = {
    0xE1: (b"Exif\0\0", XMP_HEAD),
    0xE2: (b"ICC_PROFILE\0",),
    0xEE: (b"Adobe",),
}
"""Beginnings of those that say how the picture looks: orientation, profile, kind of colours."""
_ADOBE_LENGTH = 12


def plain(data: bytes) -> bytes:
    """The JPEG file `data` without the extra segments that have no say in how it looks."""
    parts = [data[:2]]
    for marker, payload, whole in segments(data):
        if marker not in _EXTRA or _counts(marker, payload):
            parts.append(whole)
    return b"".join(parts)


def segments(data: bytes) -> Iterator[tuple[int, bytes, bytes]]:
    """(marker, payload, whole segment) in order; from the first scan on, all the rest is one.

    So is the rest from where the file stops being one of segments.
    """
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF and data[at + 1] != _SCAN:
        if data[at + 1] == 0xFF:  # fill bytes may stand before any marker
            at += 1
            continue
        (length,) = struct.unpack_from(">H", data, at + 2)
        if length < 2 or at + 2 + length > len(data):
            break
        end = at + 2 + length
        yield data[at + 1], data[at + 4 : end], data[at:end]
        at = end
    yield _SCAN, b"", data[at:]


def dressed(data: bytes, extra: Sequence[bytes]) -> bytes:
    """The JPEG file `data` with these extra segments in place of its own; a JFIF header stays."""
    parts = list(segments(data))
    jfif = [whole for marker, _, whole in parts if marker == 0xE0][:1]
    picture = [whole for marker, _, whole in parts if marker not in _EXTRA]
    return b"".join([data[:2], *jfif, *extra, *picture])


def segment(marker: int, payload: bytes) -> bytes:
    """One segment; its payload has 65,533 bytes at most."""
    return bytes([0xFF, marker]) + struct.pack(">H", len(payload) + 2) + payload


def ended(data: bytes) -> bool:
    """Whether an end marker stands behind the picture."""
    *_, (_, _, scans) = segments(data)
    return scans.rfind(END) >= 0


def _counts(marker: int, payload: bytes) -> bool:
    whole = marker != 0xEE or len(payload) >= _ADOBE_LENGTH
    return whole and payload.startswith(_SEEN.get(marker, ()))
