"""What every source is told of its files, and how one is opened and pinned. Knows no format."""

from __future__ import annotations

import hashlib
import os
import random
import time
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from pydantic import Field

from pipeline.section import Section
from pipeline.sources import _text
from pipeline.storage import Storage, connect

T = TypeVar("T")
Info = dict[str, Any]

READ_AHEAD = 4 << 20
"""Bytes fetched at a time; s3fs would hold 50 MiB."""
PILLOW_LIMIT = 178_956_970
"""Pixels above which Pillow itself refuses to open a picture."""


class Files(Section):
    """Where the input lies, and how large one picture may be."""

    path: str = Field(
        description="Folder (read with its sub-folders), glob or one file; or s3://, gs://, "
        "abfs://, hf://datasets/."
    )
    storage: Storage = Storage()
    max_bytes: int = Field(64 << 20, ge=1, description="Encoded bytes; larger: dead `too_large`.")
    max_pixels: int = Field(
        64_000_000, ge=64, le=PILLOW_LIMIT, description="Of a picture; more: dead `too_large`."
    )


class StorageFailed(OSError):
    """The storage failed while a shard was read, and trying again did not help."""

    def __init__(self, message: str, permanent: bool = False) -> None:
        super().__init__(message)
        self.permanent = permanent  # not there, or not allowed


class Changed(StorageFailed):
    """A file is not the one that was listed any more."""

    def __init__(self, name: str) -> None:
        super().__init__(
            f"{_text.printable(name)} changed while it was read; nothing of the new content was "
            "committed; run again when nobody writes there",
            permanent=True,
        )


def exact(info: Info) -> str:
    """What changes when a file does: its size with the store's ETag or the local mtime."""
    return _state(info["size"], info.get("ETag") or float(info.get("mtime", 0)))


def _state(size: int, mark: str | float) -> str:
    return f"{size}-{mark.strip(chr(34)) if isinstance(mark, str) else repr(mark)}"


def digest(stamps: Iterable[str]) -> str:
    """8 hex digits of a list of stamps."""
    told = "\n".join(stamps).encode("utf-8", "surrogateescape")
    return hashlib.blake2b(told, digest_size=4).hexdigest()


def retried(path: str, act: Callable[[], T]) -> T:
    """`act()` on `path`, tried five times with growing pauses. Raises StorageFailed."""
    for pause in (0.5, 1.0, 2.0, 4.0, None):
        try:
            return act()
        except Changed:
            raise
        except Exception as error:
            # Clients raise their own kinds too (botocore, aiohttp): all mean the storage failed.
            permanent = isinstance(error, FileNotFoundError | PermissionError)
            if permanent or pause is None:
                reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
                raise StorageFailed(f"{_text.printable(path)}: {reason}", permanent) from error
        time.sleep(pause * random.uniform(0.5, 1))
    raise AssertionError("the last try returns or raises")


class ShardFile:
    """A file opened for reading; where the storage fails it is opened again and read on.

    What fails for good is `StorageFailed`. So a reader of a format can tell a failing storage from
    bad content (a dead letter), though tarfile and pyarrow raise OSError for either.

    With a `pin` (see `exact`), what is read is what was listed: a file of another state raises
    `Changed` when it is opened, and after any read that another content may have got into. In a
    store each reply is held against the ETag; not every S3 server heeds If-Match.
    """

    mode = "rb"

    def __init__(self, files: Files, url: str, pin: str = "") -> None:
        self._fs, _ = connect(files.path, files.storage)
        self._url = url
        self._pin = pin
        self._at = 0
        self._file: Any = None
        self.seek(0)

    def __enter__(self) -> ShardFile:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def closed(self) -> bool:
        return self._file is None

    def close(self) -> None:
        if self._file is not None:
            self._file.close()
        self._file = None

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def read(self, size: int = -1) -> bytes:
        return self._on_file(lambda file: bytes(file.read(size)))

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._on_file(lambda file: int(file.seek(offset, whence)))

    def _on_file(self, act: Callable[[Any], T]) -> T:
        def once() -> T:
            if self._file is None:
                self._file = self._fs.open(self._url, "rb", block_size=READ_AHEAD)
                self._check_pin()
                self._file.seek(self._at)
            try:
                result = act(self._file)
                self._check_pin()
                self._at = int(self._file.tell())
            except Exception:
                self._file = None
                raise
            return result

        return retried(self._url, once)

    def _check_pin(self) -> None:
        if not self._pin:
            return
        details = getattr(self._file, "details", None)
        if details is not None:
            now = _state(details["size"], details.get("ETag") or 0.0)
        else:
            found = os.fstat(self._file.fileno())
            now = _state(found.st_size, found.st_mtime)
        if now != self._pin:
            self._file = None
            raise Changed(self._url)
