"""What an export wrote into its folder: a line a file, read again by the next. Knows no picture."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

from pipeline.errors import UsageError

JOURNAL = ".diffedit-export.jsonl"


@dataclass(frozen=True)
class Entry:
    """One file, as it is or is about to be."""

    file: str  # below the folder
    id: str  # of its edit
    recipe: str  # equal where the same file would be made
    blake2b: str  # of its content


class Journal:
    """Held by one export at a time; UsageError where another has it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._entries: dict[str, Entry] = {}

    def __enter__(self) -> Journal:
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW
        self._file = os.fdopen(os.open(self._folder / JOURNAL, flags, 0o644), "a+b")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self._file.close()
            raise UsageError(f"{self._folder}: another export is writing there") from error
        self._file.seek(0)
        data = self._file.read()
        self._entries = {entry.file: entry for entry in _entries(data)}
        if data and not data.endswith(b"\n"):  # a line that a stopped export did not end
            self._file.write(b"\n")
        return self

    def __exit__(self, *_: Any) -> None:
        self._file.close()

    def add(self, entry: Entry) -> None:
        """Notes a file before it is written."""
        self._file.write(json.dumps(asdict(entry)).encode() + b"\n")
        self._file.flush()
        os.fsync(self._file.fileno())
        self._entries[entry.file] = entry

    def knows(self, name: str) -> bool:
        """Whether the file is an export's."""
        return name in self._entries

    def right(self, name: str, recipe: str) -> bool:
        """Whether the file is there as this recipe makes it."""
        entry, path = self._entries.get(name), self._folder / name
        if entry is None or entry.recipe != recipe or not path.is_file():
            return False
        return digest(path.read_bytes()) == entry.blake2b

    def files(self) -> list[str]:
        """Names of those that are there."""
        return [name for name in self._entries if (self._folder / name).is_file()]


def digest(data: bytes) -> str:
    """32 hex digits."""
    return blake2b(data, digest_size=16).hexdigest()


def _entries(data: bytes) -> Iterator[Entry]:
    for line in data.splitlines():
        try:
            yield Entry(**{name: str(value) for name, value in json.loads(line).items()})
        except (ValueError, TypeError, AttributeError):
            continue  # half a line: the file is made again
