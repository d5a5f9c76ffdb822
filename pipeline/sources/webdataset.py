"""WebDataset tar shards (.tar, .tar.gz, .tgz; img2dataset's output as it is), read as a stream.

Knows the tar format and WebDataset's naming; nothing is unpacked to disk and no link is followed.
A sample is a run of files whose paths are equal up to the first dot of the file name; what is
in no sample (hidden files, names without ending) is passed over.
"""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from pydantic import Field

from pipeline.errors import RowError
from pipeline.rows import PassedOver
from pipeline.sources import _text
from pipeline.sources._files import Files, ShardFile, StorageFailed
from pipeline.sources._listing import HIDDEN, hidden, list_shards
from pipeline.sources._names import PICTURES, same_form
from pipeline.sources._shard import (
    Listing,
    Member,
    Shard,
    each_caption,
    no_protection,
    numbered,
    unnumbered,
)
from pipeline.sources._tar import BAD_TAR, check_end, content, entries, opened, read_so_far

ENDINGS = (".tar", ".tar.gz", ".tgz")
TEXTS = ("txt", "text", "cls", "caption")
"""Small text files of a sample that become columns, named by their extension."""


class Config(Files):
    """WebDataset tar shards."""

    type: Literal["webdataset"] = "webdataset"
    image: str = Field(
        ";".join(ending.removeprefix(".") for ending in PICTURES),
        description="Extensions of the image; the first found is taken.",
    )
    caption: str = Field(
        "txt", description="Extension of the caption file, or json:KEY for a key of the .json."
    )
    mask: str | None = Field(
        None,
        description="Extension of a picture, bright where to edit: mask.png (see mask.given).",
    )
    protect: str | None = Field(
        None, description="Extension of a picture, bright where nothing is ever edited."
    )


def build(config: Config) -> WebDataset:
    """The source that `config` describes; nothing is opened yet."""
    return WebDataset(config)


@dataclass
class _Sample:
    key: str
    names: set[str] = field(default_factory=set)
    image: bytes | None = None
    rank: int = 1 << 30  # of the image's extension in the config's list
    texts: dict[str, bytes] = field(default_factory=dict)
    masks: dict[str, bytes] = field(default_factory=dict)  # by extension
    error: RowError | None = None
    passed: PassedOver = field(default_factory=PassedOver)  # before it, and behind the last
    share: float = 1.0  # of the shard that ends with it


@dataclass(frozen=True)
class WebDataset:
    """See `_shard.Source`."""

    config: Config

    def listing(self) -> Listing:
        return list_shards(self.config, ENDINGS, "tar")

    def members(self, shard: Shard) -> Iterator[Member]:
        return numbered(self._members(shard))

    def _members(self, shard: Shard) -> Iterator[Member]:
        count, passed = 0, PassedOver()
        try:
            with ShardFile(self.config, shard.url, shard.pin) as file:
                strays = _Strays(self.config, shard)
                for sample in self._samples(file, shard, passed) if shard.size else ():
                    yield from _captioned(sample, strays, self.config)
                    count += 1
        except StorageFailed:
            raise
        except BAD_TAR as error:
            yield self._rest(shard, count, error, passed)
        else:
            if count == 0:
                empty = RowError("empty_shard", f"{shard.path}: no samples in this tar")
                yield unnumbered("(shard)", error=empty, passed=passed, share=1.0)

    def _samples(self, file: ShardFile, shard: Shard, passed: PassedOver) -> Iterator[_Sample]:
        """What is passed over is counted in `passed` until the next sample takes it along."""
        with opened(file) as tar:
            sample: _Sample | None = None
            for info in entries(tar):
                key, extension, why = _split(info)
                if why:
                    passed.add(_text.printable(info.name), why)
                if why or info.isdir():
                    continue
                if sample and (_differ(sample.key, key) or extension in sample.names):
                    yield _done(sample, passed)
                    sample = None
                sample = sample or _Sample(key)
                self._take(sample, info, extension, tar)
                sample.share = min(1.0, read_so_far(tar, file) / max(1, shard.size))
            if sample:
                yield _done(sample, passed)
            check_end(tar)

    def _take(
        self, sample: _Sample, info: tarfile.TarInfo, extension: str, tar: tarfile.TarFile
    ) -> None:
        sample.names.add(extension)
        wanted = self.config.image.split(";")
        try:
            _check_safe(info)
            if extension in (self.config.mask, self.config.protect):
                _check_size(info, self.config.max_bytes)
                sample.masks[extension] = content(tar, info)
            elif extension in wanted:
                _check_size(info, self.config.max_bytes)
                rank = wanted.index(extension)
                if rank < sample.rank:
                    sample.image, sample.rank = content(tar, info), rank
            elif extension in (*TEXTS, "json", self.config.caption):
                _check_size(info, _text.MAX_TEXT)
                sample.texts[extension] = content(tar, info)
        except RowError as error:
            sample.error = sample.error or error

    def _rest(self, shard: Shard, count: int, error: Exception, passed: PassedOver) -> Member:
        why = str(error) or type(error).__name__
        if count:
            told = f"the tar breaks after {count} samples: {why}; fetch it again"
            dead = RowError("truncated_shard", told)
            return unnumbered("(rest of shard)", error=dead, passed=passed, share=1.0)
        with ShardFile(self.config, shard.url, shard.pin) as file:
            pointer = _text.lfs_pointer(file.read(200))
        told = _text.POINTER if pointer else f"not a readable tar: {why}; fetch it again"
        dead = RowError("unreadable_shard", told)
        return unnumbered("(shard)", error=dead, passed=passed, share=1.0)


class _Strays:
    """Which keys have their files in several places of a tar, by a second look at its headers.

    Looked at only when a sample lacks its image or its caption.
    """

    def __init__(self, config: Config, shard: Shard) -> None:
        self._config, self._shard = config, shard
        self._found: set[int] | None = None

    def error(self, sample: _Sample) -> RowError | None:
        """The true reason of what `sample` lacks, if it is that its files are apart."""
        if self._found is None:
            self._found = self._scattered()
        if hash(same_form(sample.key)) not in self._found:
            return None
        return RowError(
            "not_adjacent",
            f"the files of {sample.key!r} are not next to each other in the tar; make it with "
            "tar --sort=name",
        )

    def _scattered(self) -> set[int]:
        # Hashes of keys, and few sets that many keys share: a tar may have a million samples.
        names: dict[int, frozenset[str]] = {}
        shared: dict[frozenset[str], frozenset[str]] = {}
        scattered, current = set[int](), 0
        for key, extension in self._headers():
            before = names.get(key, frozenset())
            # The same file name again is another sample of a repeated key.
            if key != current and before and extension not in before:
                scattered.add(key)
            current, now = key, before | {extension}
            names[key] = shared.setdefault(now, now)
        return scattered

    def _headers(self) -> Iterator[tuple[int, str]]:
        try:
            file = ShardFile(self._config, self._shard.url, self._shard.pin)
            with file, opened(file) as tar:
                for info in entries(tar):
                    key, extension, why = _split(info)
                    if not why and not info.isdir():
                        yield hash(same_form(key)), extension
        except StorageFailed:
            raise
        except BAD_TAR:
            return


def _split(info: tarfile.TarInfo) -> tuple[str, str, str]:
    """WebDataset's key and extension, and why the file is in no sample ('' where it is in one)."""
    name = info.name
    while name.startswith("./"):
        name = name[2:]
    at = max(name.rfind("/"), name.rfind("\\")) + 1
    stem, _, extension = name[at:].partition(".")
    why = ""
    if info.isdir():
        return "", "", ""
    if hidden(name[at:], ".") or "__MACOSX" in name.split("/"):
        why = f"{HIDDEN} in a tar"
    elif not extension:
        why = "a name without ending in a tar"
    return name[:at] + stem, extension.lower(), why


def _differ(key: str, other: str) -> bool:
    return key != other and same_form(key) != same_form(other)


def _done(sample: _Sample, passed: PassedOver) -> _Sample:
    """`sample` with what was passed over so far, which is counted no more."""
    sample.passed.merge(passed)
    passed.endings, passed.examples = {}, {}
    return sample


def _check_safe(info: tarfile.TarInfo) -> None:
    if not info.isreg():
        raise RowError("unsafe_member", f"{info.name!r} is a link or device; it is not followed")
    if info.name.startswith(("/", "\\")) or ".." in info.name.replace("\\", "/").split("/"):
        raise RowError("unsafe_member", f"{info.name!r} points out of the archive")


def _check_size(info: tarfile.TarInfo, allowed: int) -> None:
    if info.size > allowed:
        raise RowError("too_large", f"{info.name!r}: {info.size:,} bytes; allowed: {allowed:,}")


def _captioned(sample: _Sample, strays: _Strays, config: Config) -> Iterator[Member]:
    """A member for each caption of a sample."""
    columns: dict[str, Any] = {}
    captions: list[str] = []
    error = sample.error
    try:
        if "json" in sample.texts:
            columns = _text.json_object(sample.texts["json"], f"{sample.key}.json")
        for extension, data in sample.texts.items():
            if extension != "json":
                columns[extension] = _text.decoded(data, f"{sample.key}.{extension}").strip()
        captions = _text.captions(columns.get(config.caption.removeprefix("json:")))
    except RowError as bad_text:
        error = error or bad_text
    if error is None and (sample.image is None or not captions):
        error = strays.error(sample)
    if error is None and sample.image is None:
        error = _no_image(sample, config)
    elif error is None and sample.image is not None and _text.lfs_pointer(sample.image):
        error = RowError("lfs_pointer", f"{sample.key}: {_text.POINTER}")
    error = error or _mask_apart(sample, strays, config)
    member = unnumbered(_text.key(sample.key), sample.image, columns=columns, error=error)
    masks = sample.masks
    member = replace(
        member, mask=masks.get(config.mask or ""), protect=masks.get(config.protect or "")
    )
    yield from each_caption(replace(member, passed=sample.passed, share=sample.share), captions)


def _mask_apart(sample: _Sample, strays: _Strays, config: Config) -> RowError | None:
    wanted = [name for name in (config.mask, config.protect) if name is not None]
    if all(name in sample.masks for name in wanted):
        return None
    lacks = config.protect is not None and config.protect not in sample.masks
    missing = no_protection(sample.key, f".{config.protect}") if lacks else None
    return strays.error(sample) or missing


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
