"""Where shards lie: settings that every source has, listing, and opening. Knows no format."""

from __future__ import annotations

import hashlib
import posixpath
import random
import time
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from fsspec.core import has_magic
from pydantic import Field

from pipeline.errors import UsageError
from pipeline.section import Section
from pipeline.sources._shard import Shard
from pipeline.storage import Storage, connect, explained

T = TypeVar("T")
Info = dict[str, Any]

READ_AHEAD = 4 << 20
"""Bytes fetched at a time; s3fs would hold 50 MiB."""
PILLOW_LIMIT = 178_956_970
"""Pixels above which Pillow itself refuses to open a picture."""


class Files(Section):
    """Where the input lies, and how large one picture may be."""

    path: str = Field(description="Folder (read with its sub-folders), glob or one file; or s3://.")
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


def list_files(files: Files) -> tuple[str, list[Info]]:
    """The folder that paths are relative to, and fsspec's info of each file, sorted by path.

    Hidden files and folders are left out. Raises UsageError where nothing can be listed.
    """
    fs, root = connect(files.path, files.storage)
    with explained(files.path, "read the input"):
        if has_magic(root) and not fs.exists(root):
            fixed = root[: next(i for i, c in enumerate(root) if c in "*?[")]
            base, found = posixpath.dirname(fixed), fs.glob(root, detail=True)
        elif fs.info(root)["type"] == "file":
            base, found = posixpath.dirname(root), {root: fs.info(root)}
        else:
            base, found = root, fs.find(root, detail=True)
    infos = [i for i in found.values() if _is_file(i) and not _hidden(i["name"], base)]
    return base, sorted(infos, key=lambda info: str(info["name"]))


def list_folder(files: Files, folder: str) -> list[Info]:
    """fsspec's info of each file right in `folder` (a path inside the filesystem), sorted.

    Raises StorageFailed.
    """
    fs, _ = connect(files.path, files.storage)
    found = retried(folder, lambda: fs.ls(folder, detail=True))
    infos = [i for i in found if _is_file(i) and not _hidden(i["name"], folder)]
    return sorted(infos, key=lambda info: str(info["name"]))


def list_shards(files: Files, endings: tuple[str, ...]) -> list[Shard]:
    """One shard a file with one of `endings`. Raises UsageError where there is none."""
    base, infos = list_files(files)
    shards = [
        Shard(relative(i["name"], base), i["name"], int(i["size"]), digest([stamp(i)]))
        for i in infos
        if i["name"].lower().endswith(endings)
    ]
    if not shards:
        raise nothing_found(files, infos, "shards", endings)
    return shards


def nothing_found(
    files: Files, infos: Iterable[Info], what: str, endings: tuple[str, ...]
) -> UsageError:
    """The error that tells which endings were looked for and which are there."""
    there = Counter(posixpath.splitext(i["name"])[1].lower() or "no ending" for i in infos)
    listed = ", ".join(f"{n} × {ending}" for ending, n in there.most_common(5)) or "no files"
    wanted = ", ".join(endings)
    return UsageError(f"{files.path}: no {what} ({wanted}) there; found: {listed}")


def relative(name: str, base: str) -> str:
    """`name` without the folder `base`, '/' separated."""
    return name[len(base) :].lstrip("/")


def stamp(info: Info) -> str:
    """What changes when a file does: its size with the store's ETag or the local mtime."""
    return f"{info['size']}-{info.get('ETag') or int(info.get('mtime', 0))}"


def digest(stamps: Iterable[str]) -> str:
    """8 hex digits of a list of stamps."""
    return hashlib.blake2b("\n".join(stamps).encode(), digest_size=4).hexdigest()


def retried(path: str, act: Callable[[], T]) -> T:
    """`act()` on `path`, tried five times with growing pauses. Raises StorageFailed."""
    for pause in (0.5, 1.0, 2.0, 4.0, None):
        try:
            return act()
        except Exception as error:
            # Clients raise their own kinds too (botocore, aiohttp): all mean the storage failed.
            permanent = isinstance(error, FileNotFoundError | PermissionError)
            if permanent or pause is None:
                reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
                raise StorageFailed(f"{path}: {reason}", permanent) from error
        time.sleep(pause * random.uniform(0.5, 1))
    raise AssertionError("the last try returns or raises")


class ShardFile:
    """A file opened for reading; where the storage fails it is opened again and read on.

    What fails for good is `StorageFailed`. So a reader of a format can tell a failing storage from
    bad content (a dead letter), though tarfile and pyarrow raise OSError for either.
    """

    mode = "rb"

    def __init__(self, files: Files, url: str) -> None:
        self._fs, _ = connect(files.path, files.storage)
        self._url = url
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
                self._file.seek(self._at)
            try:
                result = act(self._file)
                self._at = int(self._file.tell())
            except Exception:
                self._file = None
                raise
            return result

        return retried(self._url, once)


def _is_file(info: Info) -> bool:
    # fsspec calls a linked file "other"; caches of data sets are full of links.
    return info["type"] == "file" or bool(info.get("islink"))


def _hidden(name: str, base: str) -> bool:
    return any(part.startswith(".") for part in relative(name, base).split("/"))
