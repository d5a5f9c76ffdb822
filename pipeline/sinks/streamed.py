"""A file that is written as it is made, and its digest. Knows no format and no commit."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import Any, BinaryIO, cast

from fsspec import AbstractFileSystem
from fsspec.implementations.local import LocalFileSystem

from pipeline.storage import error_code, retried, whole

PART_BYTES = 32 << 20
"""What is held of a file on its way to S3; a smaller one is one request."""

Write = Callable[[BinaryIO], object]


def stream(fs: AbstractFileSystem, path: str, write: Write) -> tuple[int, str]:
    """`storage.put` of what `write` writes, from first to last; its bytes and 32 hex digits.

    `write` is called again where the storage failed.
    """
    opened = _local if isinstance(fs, LocalFileSystem) else partial(_uploaded, fs)

    def attempt() -> tuple[int, str]:
        with opened(path) as file:
            sink = _Hashing(file)
            write(cast(BinaryIO, sink))
        return sink.tell(), sink.digest()

    return retried(attempt)


def _local(path: str) -> Any:
    return whole(Path(path))


@contextmanager
def _uploaded(fs: Any, path: str) -> Iterator[BinaryIO]:
    file = fs.open(path, "wb", block_size=PART_BYTES)
    try:
        yield file
        file.close()
    except BaseException as error:
        file.closed = True  # or its end would complete it
        file.discard()
        if isinstance(error, OSError) and error_code(error) == "NoSuchUpload":
            raise ConnectionError("the reply to the end of an upload was lost") from error
        raise


class _Hashing:
    """Passes on what is written, and counts and digests it."""

    closed = False

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._hash = blake2b(digest_size=16)
        self._bytes = 0

    def write(self, data: bytes) -> int:
        self._file.write(data)
        self._hash.update(data)
        self._bytes += len(data)
        return len(data)

    def tell(self) -> int:
        return self._bytes

    def flush(self) -> None:
        """Nothing is to be seen before it is whole."""

    def digest(self) -> str:
        return self._hash.hexdigest()
