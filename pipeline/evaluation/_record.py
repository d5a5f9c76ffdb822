"""One edit that a benchmark asks for, and what its loaders share. Knows no benchmark.

A loader is `records(place)`: it reads a benchmark's folder as it was downloaded. What makes the
whole folder unusable is a UsageError that names the file and the key; a single picture that is
missing is left to the run, which makes a dead letter of it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import UsageError
from pipeline.images.decode import decode

Pixels = NDArray[np.uint8]
Region = NDArray[np.bool_]

MAX_PIXELS = 100_000_000
ENDINGS = (".jpg", ".jpeg", ".png", ".webp", ".bmp")


@dataclass(frozen=True)
class Place:
    """Where a benchmark lies, and what a person added to the command."""

    data: Path | None = None
    side: int = 128  # of pictures that are drawn

    @property
    def folder(self) -> Path:
        """The folder. Raises UsageError where none was given or there is none."""
        if self.data is None:
            raise UsageError("--data: missing; give the benchmark's folder as it was downloaded")
        if not self.data.is_dir():
            raise UsageError(f"--data: {self.data}: no such folder")
        return self.data

    def file(self, *names: str) -> Path:
        """`data` itself where it is a file, else the first of `names` (paths) in the folder.

        Raises UsageError that tells what was looked for.
        """
        if self.data is not None and self.data.is_file():
            return self.data
        for name in names:
            found = find(self.folder, name)
            if found is not None:
                return found
        raise UsageError(f"--data: {self.data}: none of {', '.join(names)} there")


@dataclass(frozen=True)
class Record:
    """One edit of one picture."""

    id: str  # unique; letters, digits, `.`, `_`, `-`
    source: Callable[[], bytes | None]  # the picture's encoded bytes; None: there is none
    target_prompt: str
    source_prompt: str = ""  # may be empty, as in DiffEdit
    picture: str = ""  # what records of one picture share, for they share its inversion
    group: str = ""  # category, for rows of its own in the table
    also: tuple[str, ...] = ()  # more categories
    colour: Callable[[], str | None] = lambda: None  # #rrggbb of the true edit, for the way `exact`
    mask: Callable[[], Region | None] = lambda: None  # (H, W), True where the edit belongs
    references: Callable[[], list[Pixels]] = list  # of the subject
    wanted: Callable[[], Pixels | None] = lambda: None  # the true edit
    meta: dict[str, Any] = field(default_factory=dict)


def seen(data: bytes) -> Pixels:
    """(H, W, 3) sRGB of an encoded picture, as the pipeline sees it. Raises RowError."""
    return decode(data, MAX_PIXELS).on_white()


def file_bytes(path: Path | None) -> bytes | None:
    """What is in the file; None where there is none."""
    return path.read_bytes() if path is not None and path.is_file() else None


def read_json(path: Path) -> Any:
    """A JSON file. Raises UsageError."""
    return _parsed(path, json.loads)


def read_yaml(path: Path) -> Any:
    """A YAML file. Raises UsageError."""
    import yaml

    return _parsed(path, yaml.safe_load)


def listed(path: Path, content: Any, what: str) -> list[Any]:
    """The content of a file that is to be a list of `what`. Raises UsageError where it is none."""
    if not isinstance(content, list):
        raise UsageError(f"{path}: expected a list of {what}")
    return content


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """The objects of a JSON Lines file. Raises UsageError that names the line."""
    for number, line in enumerate(_text(path).splitlines(), 1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except ValueError as error:
            raise UsageError(f"{path}:{number}: not valid JSON: {error}") from error
        if not isinstance(value, dict):
            raise UsageError(f"{path}:{number}: expected a JSON object")
        yield value


def need(entry: Any, key: str, where: str, kind: type | tuple[type, ...] = str) -> Any:
    """`entry[key]`. Raises UsageError that says where and what there is instead."""
    if not isinstance(entry, dict):
        raise UsageError(f"{where}: expected an object with {key!r}")
    if key not in entry:
        raise UsageError(f"{where}: no {key!r}; there are: {', '.join(map(str, entry)) or 'none'}")
    if not isinstance(entry[key], kind):
        raise UsageError(f"{where}: {key} is {type(entry[key]).__name__}: {entry[key]!r:.60}")
    return entry[key]


def find(folder: Path, name: str) -> Path | None:
    """The file `name` (a relative path) in `folder`, whatever the case of its letters.

    None where there is none, or where the path leads out of the folder.
    """
    parts = [part for part in Path(name.replace("\\", "/")).parts if part not in ("/", ".")]
    found = folder
    for part in parts:
        if part == ".." or not found.is_dir():
            return None
        exact = found / part
        found = exact if exact.exists() else _listing(found).get(part.lower(), exact)
    return found if parts and found.is_file() else None


def find_stem(folder: Path, stem: str) -> Path | None:
    """A picture in `folder` with this name, whatever its ending."""
    return next((p for e in ENDINGS if (p := find(folder, stem + e)) is not None), None)


def pictures_in(folder: Path) -> list[Path]:
    """The pictures right in a folder, in the order of the numbers in their names."""
    if not folder.is_dir():
        return []
    files = [path for path in folder.iterdir() if path.suffix.lower() in ENDINGS]
    return sorted(files, key=_natural)


def image_mask(path: Path | None, invert: bool = False) -> Region | None:
    """(H, W) of a mask's file, True where it is bright; None where there is no file."""
    data = file_bytes(path)
    if data is None:
        return None
    return ~bright(data) if invert else bright(data)


def bright(data: bytes) -> Region:
    """(H, W) of an encoded mask, True where it is bright. Raises RowError."""
    found: Region = seen(data).mean(axis=2) > 127
    return found


def safe(text: str) -> str:
    """`text` as part of a record's id."""
    return re.sub(r"[^A-Za-z0-9.-]+", "_", text).strip("_.")[:80] or "x"


@cache
def _listing(folder: Path) -> dict[str, Path]:
    return {path.name.lower(): path for path in sorted(folder.iterdir())}


def _natural(path: Path) -> list[Any]:
    pieces = re.split(r"(\d+)", path.name)
    return [int(piece) if piece.isdigit() else piece for piece in pieces]


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UsageError(f"{path}: cannot read it: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: not UTF-8 text: {error}") from error


def _parsed(path: Path, parse: Callable[[str], Any]) -> Any:
    text = _text(path)
    try:
        return parse(text)
    except Exception as error:  # json's and yaml's own kinds
        raise UsageError(f"{path}: cannot parse it: {' '.join(str(error).split())}") from error
