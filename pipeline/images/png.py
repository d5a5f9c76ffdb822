"""The chunks of a PNG that say how it looks, without the rest. Knows no pixel.

Pillow takes a text that is longer than its own limit, an ancillary chunk with a wrong checksum or
an odd animation for a broken picture. None of them has a say in how the picture looks: they are
left out before Pillow reads the file. (PNG Specification, third edition, sections 5 and 11.)
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

SIGNATURE = b"\x89PNG\r\n\x1a\n"
MAX_UNPACKED = 16 << 20
"""Bytes that a compressed profile or text may unpack to; a longer one is left out."""

_SEEN = {b"tRNS": 1, b"gAMA": 4, b"cHRM": 32, b"sRGB": 1, b"cICP": 4, b"iCCP": 3, b"eXIf": 1}
"""With the bytes that each has at least."""
_TEXTS = (b"zTXt", b"iTXt", b"tEXt")
_ORIENTING = (b"XML:com.adobe.xmp\0", b"Raw profile type exif\0")

Chunk = tuple[bytes, bytes, bool]
"""Name, payload, whether it is whole and its checksum right."""


def plain(data: bytes) -> bytes:
    """The PNG file `data` with what its pixels, colours and orientation need.

    The colour key (tRNS) is brought to the 8 bits at which Pillow compares it, so it is one of
    colours whose high bytes agree where the picture has 16 bits a channel.
    """
    depth, colour = data[24], data[25]
    parts = [SIGNATURE]
    for name, payload, sound in _chunks(data):
        if not sound and not _ancillary(name):
            return data  # broken where it counts: Pillow says how
        if _counts(name, payload, sound):
            parts.append(_chunk(name, _key(payload, depth, colour) if name == b"tRNS" else payload))
    return b"".join(parts)


def chunk(data: bytes, wanted: bytes) -> bytes | None:
    """The payload of the first sound chunk named `wanted`, if any."""
    return next((load for name, load, sound in _chunks(data) if name == wanted and sound), None)


def _chunks(data: bytes) -> Iterator[Chunk]:
    at = len(SIGNATURE)
    while at + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        name, end = data[at + 4 : at + 8], at + 8 + length
        checksum = data[end : end + 4]
        payload = data[at + 8 : end]
        yield name, payload, checksum == struct.pack(">I", zlib.crc32(payload, zlib.crc32(name)))
        if name == b"IEND":
            return
        at = end + 4


def _ancillary(name: bytes) -> bool:
    # A colour key that cannot be believed would make what is transparent visible.
    return bool(name[:1].islower() and name != b"tRNS")


def _counts(name: bytes, payload: bytes, sound: bool) -> bool:
    if not _ancillary(name):
        return True
    if name in _TEXTS:
        kept = payload.startswith(_ORIENTING)
    else:
        kept = len(payload) >= _SEEN.get(name, len(payload) + 1)
    return kept and sound and _bounded(name, payload)


def _bounded(name: bytes, payload: bytes) -> bool:
    after = payload.partition(b"\0")[2]
    if name == b"iTXt":
        packed = after[:1] == b"\1"
        body = after[2:].split(b"\0", 2)[-1]
    else:
        packed, body = name in (b"iCCP", b"zTXt"), after[1:]
    if not packed:
        return len(payload) <= MAX_UNPACKED
    if name != b"iTXt" and after[:1] != b"\0":
        return False  # an unknown method of compression
    unpacker = zlib.decompressobj()
    try:
        return len(unpacker.decompress(body, MAX_UNPACKED)) < MAX_UNPACKED
    except zlib.error:
        return False


def _key(payload: bytes, depth: int, colour: int) -> bytes:
    values = struct.unpack(f">{len(payload) // 2}H", payload[: len(payload) // 2 * 2])
    if colour == 0 and depth in (2, 4):
        return struct.pack(">H", values[0] * 255 // (2**depth - 1))
    if colour == 2 and depth == 16:
        return struct.pack(">3H", *(value >> 8 for value in values))
    return payload


def _chunk(name: bytes, payload: bytes) -> bytes:
    body = name + payload
    return struct.pack(">I", len(payload)) + body + struct.pack(">I", zlib.crc32(body))
