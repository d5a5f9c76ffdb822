"""One file's name, written in different ways: which of the names that are there it means.

Knows no format. Names differ in Unicode form (macOS writes NFD), case (Windows), slashes and "./".
"""

from __future__ import annotations

import unicodedata
from collections import defaultdict
from collections.abc import Iterable

from pipeline.errors import RowError

PICTURES = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".apng", ".webp", ".avif", ".avifs"),
    *(".gif", ".bmp", ".tif", ".tiff", ".jp2", ".j2k", ".j2c", ".jpc", ".jpf", ".jpx"),
    *(".ppm", ".pgm", ".pbm", ".pnm", ".pfm"),
)
"""Endings of the formats that are decoded (`images.decode`), as Pillow has them."""


def is_picture(name: str) -> bool:
    """By its ending."""
    return name.lower().endswith(PICTURES)


def same_form(name: str) -> str:
    """`name` in NFC, '/' separated, without './'."""
    name = unicodedata.normalize("NFC", name).replace("\\", "/")
    return "/".join(part for part in name.split("/") if part not in ("", "."))


def folded(name: str) -> str:
    """`same_form`, whatever the case of its letters."""
    return unicodedata.normalize("NFC", same_form(name).casefold())


class Names:
    """The names that are there, found by any way to write them."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names = set(names)
        self._others: defaultdict[str, list[str]] = defaultdict(list)
        for name in self._names:
            self._others[folded(name)].append(name)

    def find(self, name: str) -> str | None:
        """The one that `name` means: itself, or else the only one that is written otherwise.

        None where there is none. Raises RowError `ambiguous_name` where there are several.
        """
        if name in self._names:
            return name
        found = self._others.get(folded(name), [])
        closer = [other for other in found if same_form(other) == same_form(name)]
        found = closer or found
        if len(found) > 1:
            listed = ", ".join(repr(other) for other in sorted(found)[:3])
            raise RowError("ambiguous_name", f"{name!r} may be any of {listed}; rename them")
        return found[0] if found else None
