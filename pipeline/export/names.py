"""A template and a row → a file's name that is safe on every system. Knows no picture."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from pipeline.errors import UsageError

FORMATS = {".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG", ".webp": "WEBP"}
"""Ending of a template → what its files are."""
OWN = ("id", "key", "edit")
"""Fields that every edit has; an input column of the same name is not reached."""
MAX_BYTES = 200
"""Of one part of a path; most file systems take 255."""

_FIELD = re.compile(r"\{([^{}]*)\}")
_SAFE = frozenset("_ .()+&,@=~#%'-")
_RESERVED = re.compile(r"(?i)(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$)(\.|$)")


class NoName(Exception):
    """An edit has no name of its own; says why."""


@dataclass(frozen=True)
class Name:
    """A path below the folder that is written to."""

    path: str
    mended: bool  # whether the row's own values were not safe as they are

    @property
    def place(self) -> str:
        """Equal for names that one file system or another takes for the same file."""
        return unicodedata.normalize("NFC", self.path.casefold())


@dataclass(frozen=True)
class Template:
    """`{sku}_{edit}.jpg`: text, `/` between folders, and fields in braces."""

    text: str

    @classmethod
    def parse(cls, text: str) -> Template:
        """Raises UsageError for a template that leads out of its folder or has no known ending."""
        plain = _FIELD.sub("x", text)
        parts = plain.split("/")
        if PurePosixPath(plain).suffix.lower() not in FORMATS:
            raise _bad(text, f"its end must be one of {', '.join(FORMATS)}")
        if any(brace in plain for brace in "{}"):
            raise _bad(text, "a brace without its other; fields are written {sku}")
        if any(not part.strip(" .") or _safe(part) != part for part in parts):
            raise _bad(text, "a path below the folder, of plain names, is needed")
        if not cls(text).fields:
            raise _bad(text, "it has no field, so all files would have one name")
        return cls(text)

    @property
    def fields(self) -> list[str]:
        """In their order, each once."""
        return list(dict.fromkeys(_FIELD.findall(self.text)))

    @property
    def format(self) -> str:
        """As Pillow calls it."""
        return FORMATS[PurePosixPath(self.text).suffix.lower()]

    def check(self, columns: Collection[str]) -> None:
        """Raises UsageError for a field that no row has."""
        for name in self.fields:
            if name not in columns and name not in OWN:
                there = ", ".join([*OWN, *sorted(set(columns) - set(OWN))])
                raise _bad(self.text, f"no input column {name!r}; there are: {there}")

    def name(self, values: Mapping[str, Any]) -> Name:
        """The name of one edit. Raises NoName where a field is empty."""
        used = {field: text_of(values.get(field)) for field in self.fields}
        missing = [field for field, text in used.items() if not _safe(text).strip("_")]
        if missing:
            raise NoName(f"no {missing[0]} to name it by (it is {used[missing[0]]!r:.60})")
        made = [self._part(part, used) for part in self.text.split("/")]
        return Name("/".join(part for part, _ in made), any(mended for _, mended in made))

    def _part(self, part: str, used: Mapping[str, str]) -> tuple[str, bool]:
        filled = _FIELD.sub(lambda field: used[field[1]], part)
        safe = _safe(_FIELD.sub(lambda field: _safe(used[field[1]]), part))
        return safe, safe != filled


def text_of(value: Any) -> str:
    """A cell as a name or a list shows it; nothing for null."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _safe(text: str) -> str:
    """`text` as one part of a path: no separator, no sign that some system forbids, not too long.

    Letters of every script stay.
    """
    plain = (c if _allowed(c) else "_" for c in unicodedata.normalize("NFC", text))
    text = "".join(plain).strip(" ").lstrip(".-~ ").rstrip(". ")
    if _RESERVED.match(text):
        text = f"_{text}"
    return _cut(text)


def _allowed(letter: str) -> bool:
    return letter in _SAFE or letter.isalnum() or unicodedata.category(letter)[0] == "M"


def _cut(text: str) -> str:
    if len(text.encode()) <= MAX_BYTES:
        return text
    end = PurePosixPath(text).suffix
    end = end if end.lower() in FORMATS else ""
    kept = text.encode()[: MAX_BYTES - len(end.encode())].decode(errors="ignore")
    return kept.removesuffix(end).rstrip(" .") + end


def _bad(text: str, why: str) -> UsageError:
    return UsageError(f"--name {text!r}: {why}")
