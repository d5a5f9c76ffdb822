"""A tar as a stream: its entries, and damage told as damage. Knows no naming of samples."""

from __future__ import annotations

import gzip
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO, cast

from pipeline.sources._files import ShardFile

BLOCK = 1 << 20
"""Bytes read from the tar at a time."""
MAX_HEADER = 1 << 20
"""Bytes of a pax or long-name header: tarfile reads it whole, so a hostile one must be refused."""

_LONG_HEADERS = (tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE)
_LONG_NAMES = (tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK)
BAD_TAR = (
    tarfile.TarError,
    gzip.BadGzipFile,
    zlib.error,
    EOFError,
    ValueError,
    LookupError,
    OverflowError,
)
"""What tarfile raises on bad content; it lets some of its parsing errors through as they are."""


class _Header(tarfile.TarInfo):
    """A header that tells damage, which `TarFile.next` takes for the end of the archive."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> _Header:
        try:
            info: _Header = super().frombuf(buf, encoding, errors)
        except tarfile.HeaderError as error:
            if isinstance(error, tarfile.EOFHeaderError):  # type: ignore[attr-defined]
                raise
            raise tarfile.ReadError(str(error)) from error
        long = info.type in _LONG_HEADERS + _LONG_NAMES
        if info.size < 0 or (long and info.size > MAX_HEADER):
            raise tarfile.ReadError(f"a header claims {info.size:,} bytes")
        return info


class _Gunzip(gzip.GzipFile):
    """Gives what it has unpacked before it tells that the file ends early."""

    def read(self, size: int | None = -1) -> bytes:
        return self.read1(BLOCK if size is None else size)


@contextmanager
def opened(file: ShardFile) -> Iterator[tarfile.TarFile]:
    """`file` as a tar, gzipped or not, whatever its name."""
    magic = file.read(2)
    file.seek(0)
    stream = _Gunzip(fileobj=cast(BinaryIO, file)) if magic == b"\x1f\x8b" else file
    with tarfile.open(
        fileobj=cast(BinaryIO, stream),
        mode="r|",
        bufsize=BLOCK,
        tarinfo=_Header,
        errors="surrogateescape",
    ) as tar:
        yield tar


def entries(tar: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    """Every header, none of them kept."""
    while (info := tar.next()) is not None:
        yield info
        tar.members.clear()  # type: ignore[attr-defined]  # else it keeps every header


def check_end(tar: tarfile.TarFile) -> None:
    """Raises tarfile.ReadError where data follow the end of the archive."""
    # tarfile stops at the first zero block: a hole in a broken download looks like the end.
    assert tar.fileobj is not None, "open while it is read"
    while block := tar.fileobj.read(BLOCK):
        if block.strip(b"\0"):
            raise tarfile.ReadError("there is data after the end of the archive")


def content(tar: tarfile.TarFile, info: tarfile.TarInfo) -> bytes:
    """A regular file's bytes. Raises tarfile.ReadError where they end early."""
    reader = tar.extractfile(info)
    assert reader is not None, "only regular files are read"
    data = reader.read()
    if len(data) < info.size:
        raise tarfile.ReadError(f"{info.name!r} ends after {len(data):,} of {info.size:,} bytes")
    return data


def read_so_far(tar: tarfile.TarFile, file: ShardFile) -> float:
    """Bytes of the file up to the next header; of a gzipped one about."""
    stream: Any = tar.fileobj
    at = float(tar.offset)
    if isinstance(stream.fileobj, _Gunzip):
        at *= file.tell() / max(1, stream.fileobj.tell())
    return at
