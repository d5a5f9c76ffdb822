"""WebDataset tar shards (.tar, .tar.gz, .tgz; img2dataset's output as it is), read as a stream.

Knows the tar format and WebDataset's naming; nothing is unpacked to disk and no link is followed.
A sample is a run of files whose paths are equal up to the first dot of the file name.
"""

from __future__ import annotations

import gzip
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Literal, cast

from pydantic import Field

from pipeline.errors import RowError
from pipeline.sources import _text
from pipeline.sources._files import Files, ShardFile, StorageFailed, list_shards
from pipeline.sources._shard import Member, Shard

ENDINGS = (".tar", ".tar.gz", ".tgz")
TEXTS = ("txt", "text", "cls", "caption")
"""Small text files of a sample that become columns, named by their extension."""
BLOCK = 1 << 20
"""Bytes read from the tar at a time."""
MAX_HEADER = 1 << 20
"""Bytes of a pax or long-name header: tarfile reads it whole, so a hostile one must be refused."""

_LONG_HEADERS = (tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE)
_LONG_NAMES = (tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK)
# What tarfile raises on bad content; it lets some of its parsing errors through as they are.
_BAD_TAR = (
    tarfile.TarError,
    gzip.BadGzipFile,
    zlib.error,
    EOFError,
    ValueError,
    LookupError,
    OverflowError,
)


class Config(Files):
    """WebDataset tar shards."""

    type: Literal["webdataset"] = "webdataset"
    image: str = Field(
        "jpg;jpeg;png;webp", description="Extensions of the image; the first found is taken."
    )
    caption: str = Field(
        "txt", description="Extension of the caption file, or json:KEY for a key of the .json."
    )


def build(config: Config) -> WebDataset:
    """The source that `config` describes; nothing is opened yet."""
    return WebDataset(config)


@dataclass(frozen=True)
class WebDataset:
    """See `_shard.Source`."""

    config: Config

    def shards(self) -> list[Shard]:
        return list_shards(self.config, ENDINGS)

    def members(self, shard: Shard) -> Iterator[Member]:
        ordinal = 0
        try:
            with ShardFile(self.config, shard.url) as file:
                for sample in self._samples(file) if shard.size else ():
                    yield _member(sample, ordinal, self.config)
                    ordinal += 1
        except StorageFailed:
            raise
        except _BAD_TAR as error:
            yield _rest(ordinal, error)
        else:
            if ordinal == 0:
                empty = RowError("empty_shard", f"{shard.path}: no samples in this tar")
                yield Member(0, "(shard)", None, None, error=empty)

    def _samples(self, file: ShardFile) -> Iterator[_Sample]:
        with _opened(file) as tar:
            sample: _Sample | None = None
            for info in _entries(tar):
                key, extension = _split(info.name)
                if not key or not extension or info.isdir():
                    continue
                if sample and (sample.key != key or extension in sample.names):
                    yield sample
                    sample = None
                sample = sample or _Sample(key)
                self._take(sample, info, extension, tar)
            if sample:
                yield sample
            _check_end(tar)

    def _take(
        self, sample: _Sample, info: tarfile.TarInfo, extension: str, tar: tarfile.TarFile
    ) -> None:
        sample.names.add(extension)
        wanted = self.config.image.split(";")
        try:
            _check_safe(info)
            if extension in wanted:
                _check_size(info, self.config.max_bytes)
                rank = wanted.index(extension)
                if rank < sample.rank:
                    sample.image, sample.rank = _content(tar, info), rank
            elif extension in (*TEXTS, "json", self.config.caption):
                _check_size(info, _text.MAX_TEXT)
                sample.texts[extension] = _content(tar, info)
        except RowError as error:
            sample.error = sample.error or error


@dataclass
class _Sample:
    key: str
    names: set[str] = field(default_factory=set)
    image: bytes | None = None
    rank: int = 1 << 30  # of the image's extension in the config's list
    texts: dict[str, bytes] = field(default_factory=dict)
    error: RowError | None = None


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
def _opened(file: ShardFile) -> Iterator[tarfile.TarFile]:
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


def _entries(tar: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    while (info := tar.next()) is not None:
        yield info
        tar.members.clear()  # type: ignore[attr-defined]  # else it keeps every header


def _check_end(tar: tarfile.TarFile) -> None:
    # tarfile stops at the first zero block: a hole in a broken download looks like the end.
    assert tar.fileobj is not None, "open while it is read"
    while block := tar.fileobj.read(BLOCK):
        if block.strip(b"\0"):
            raise tarfile.ReadError("there is data after the end of the archive")


def _split(name: str) -> tuple[str, str]:
    """WebDataset's key and extension; either is empty where the file is no sample's."""
    folder, slash, base = name.removeprefix("./").rpartition("/")
    stem, _, extension = base.partition(".")
    return (folder + slash + stem if stem else ""), extension.lower()


def _check_safe(info: tarfile.TarInfo) -> None:
    if not info.isreg():
        raise RowError("unsafe_member", f"{info.name!r} is a link or device; it is not followed")
    if info.name.startswith(("/", "\\")) or ".." in info.name.replace("\\", "/").split("/"):
        raise RowError("unsafe_member", f"{info.name!r} points out of the archive")


def _check_size(info: tarfile.TarInfo, allowed: int) -> None:
    if info.size > allowed:
        raise RowError("too_large", f"{info.name!r}: {info.size:,} bytes; allowed: {allowed:,}")


def _content(tar: tarfile.TarFile, info: tarfile.TarInfo) -> bytes:
    reader = tar.extractfile(info)
    assert reader is not None, "only regular files are read"
    data = reader.read()
    if len(data) < info.size:
        raise tarfile.ReadError(f"{info.name!r} ends after {len(data):,} of {info.size:,} bytes")
    return data


def _rest(ordinal: int, error: Exception) -> Member:
    why = str(error) or type(error).__name__
    if ordinal == 0:
        dead = RowError("unreadable_shard", f"not a readable tar: {why}; fetch it again")
        return Member(0, "(shard)", None, None, error=dead)
    dead = RowError(
        "truncated_shard", f"the tar breaks after {ordinal} samples: {why}; fetch it again"
    )
    return Member(ordinal, "(rest of shard)", None, None, error=dead)


def _member(sample: _Sample, ordinal: int, config: Config) -> Member:
    error = sample.error
    columns: dict[str, Any] = {}
    caption: str | None = None
    try:
        if "json" in sample.texts:
            columns = _text.json_object(sample.texts["json"], f"{sample.key}.json")
        for extension, data in sample.texts.items():
            if extension != "json":
                columns[extension] = _text.decoded(data, f"{sample.key}.{extension}").strip()
        name = config.caption.removeprefix("json:")
        caption = _text.caption(columns.get(name))
    except RowError as bad_text:
        error = error or bad_text
    if sample.image is None and error is None:
        error = _no_image(sample, config)
    return Member(ordinal, _text.key(sample.key), sample.image, caption, columns, error)


def _no_image(sample: _Sample, config: Config) -> RowError:
    wanted = config.image.split(";")
    dotted = sorted(n for n in sample.names if n.rpartition(".")[2] in wanted)
    if len(dotted) > 1:
        listed = ", ".join(f"{sample.key}.{name}" for name in dotted[:5])
        return RowError(
            "repeated_key",
            f"several images share the key {sample.key!r} (the name up to its first dot): "
            f"{listed}; rename them without dots, or name one in input.image",
        )
    there = ", ".join(sorted(sample.names)[:8])
    return RowError("no_image", f"{sample.key}: no file .{config.image}; there are: {there}")
