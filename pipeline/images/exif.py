"""A picture's EXIF block for its edit: its orientation, and no thumbnail of the old picture. Knows
no pixel. (CIPA DC-008: a TIFF header, then directories of 12-byte entries.)
"""

from __future__ import annotations

import struct

HEAD = b"Exif\0\0"
_ORDERS = {b"II*\0": "<", b"MM\0*": ">"}
_ORIENTATION, _THUMBNAIL, _LENGTH = 0x0112, 0x0201, 0x0202


def orientation(block: bytes) -> int | None:
    """What `block`, which begins with `HEAD`, says; None where it says nothing or is not sound."""
    order = _ORDERS.get(block[len(HEAD) : len(HEAD) + 4])
    if kept(block, 1) is None or order is None:
        return None
    body = bytearray(block[len(HEAD) :])
    entries, _ = _directory(body, struct.unpack_from(order + "I", body, 4)[0], order)
    if _ORIENTATION not in entries:
        return None
    return int(struct.unpack_from(order + "H", body, entries[_ORIENTATION])[0])


def kept(block: bytes, orientation: int) -> bytes | None:
    """`block`, which begins with `HEAD`, with this orientation and no thumbnail; all else stays.

    None where it is not a sound block.
    """
    body = bytearray(block[len(HEAD) :])
    order = _ORDERS.get(bytes(body[:4]))
    if order is None:
        return None
    try:
        (first,) = struct.unpack_from(order + "I", body, 4)
        entries, then = _directory(body, first, order)
        if _ORIENTATION in entries:
            struct.pack_into(order + "HH", body, entries[_ORIENTATION], orientation, 0)
        body = _without_thumbnail(body, then, order)
    except struct.error:
        return None
    return HEAD + bytes(body)


def _without_thumbnail(body: bytearray, then: int, order: str) -> bytearray:
    (second,) = struct.unpack_from(order + "I", body, then)
    struct.pack_into(order + "I", body, then, 0)
    if not second:
        return body
    entries, _ = _directory(body, second, order)
    if not {_THUMBNAIL, _LENGTH} <= entries.keys():
        return body
    start, length = (
        struct.unpack_from(order + "I", body, entries[tag])[0] for tag in (_THUMBNAIL, _LENGTH)
    )
    if start + length >= len(body):
        return body[: max(start, then + 4)]
    body[start : start + length] = bytes(length)
    return body


def _directory(body: bytearray, at: int, order: str) -> tuple[dict[int, int], int]:
    """Where the value field of each entry lies, by tag, and where the next directory is told."""
    (count,) = struct.unpack_from(order + "H", body, at)
    places = [at + 2 + 12 * i for i in range(count)]
    tags = {struct.unpack_from(order + "H", body, place)[0]: place + 8 for place in places}
    return tags, at + 2 + 12 * count
