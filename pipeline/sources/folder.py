"""Folders of image files with captions in metadata.jsonl, metadata.csv or sidecar .txt files.

One shard a folder that holds images. Knows no other source's format.
"""

from __future__ import annotations

import csv
import io
import json
import posixpath
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, Literal

from pydantic import Field

from pipeline.errors import RowError, UsageError
from pipeline.sources import _text
from pipeline.sources._files import (
    Files,
    Info,
    ShardFile,
    StorageFailed,
    digest,
    list_files,
    list_folder,
    nothing_found,
    relative,
    stamp,
)
from pipeline.sources._shard import Member, Shard
from pipeline.storage import connect

ENDINGS = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff")
TABLES = ("metadata.jsonl", "metadata.csv")


class Config(Files):
    """Folders of image files."""

    type: Literal["folder"] = "folder"
    caption: str = Field(
        "caption", description="Column of captions in metadata.jsonl or .csv beside the images."
    )


def build(config: Config) -> Folder:
    """The source that `config` describes; nothing is opened yet."""
    return Folder(config)


@dataclass(frozen=True)
class Folder:
    """See `_shard.Source`. A folder's version is a digest of its listing."""

    config: Config

    def shards(self) -> list[Shard]:
        base, infos = list_files(self.config)
        if base != connect(self.config.path, self.config.storage)[1]:
            raise UsageError(f"{self.config.path}: type folder reads a folder; give its path")
        shards = [_shard(folder, files, base) for folder, files in _by_folder(infos)]
        with_images = [shard for shard in shards if shard.size]
        if not with_images:
            raise nothing_found(self.config, infos, "images", ENDINGS)
        return sorted(with_images, key=lambda shard: shard.path)

    def members(self, shard: Shard) -> Iterator[Member]:
        infos = list_folder(self.config, shard.url)
        if _version(infos) != shard.version:
            changed = f"{shard.path}: the folder changed while it was read; run again"
            raise StorageFailed(changed, permanent=True)
        files = {posixpath.basename(info["name"]): info for info in infos}
        table = self._table(files)
        ordinal = 0
        for name in filter(_is_image, files):
            yield self._image(name, files, table, ordinal)
            ordinal += 1
        for name, row in sorted(table.rows.items()):
            lost = RowError("no_image", f"{table.name} names {name!r}, which is not in the folder")
            yield Member(ordinal, _text.key(name), None, None, row, lost)
            ordinal += 1
        if table.error:
            yield Member(ordinal, f"({table.name})", None, None, error=table.error)

    def _image(self, name: str, files: dict[str, Info], table: _Table, ordinal: int) -> Member:
        row = table.rows.pop(name, {})
        image: bytes | None = None
        caption: str | None = None
        error: RowError | None = None
        try:
            image = self._read(files[name], self.config.max_bytes)
            written = row.get(self.config.caption) if table.name else self._sidecar(name, files)
            caption = _text.caption(written)
        except RowError as bad:
            error = bad
        return Member(ordinal, _text.key(name), image, caption, row, error)

    def _sidecar(self, name: str, files: dict[str, Info]) -> str | None:
        text = posixpath.splitext(name)[0] + ".txt"
        if text not in files:
            return None
        return _text.decoded(self._read(files[text], _text.MAX_TEXT), text)

    def _read(self, info: Info, allowed: int) -> bytes:
        name = posixpath.basename(info["name"])
        if info["size"] > allowed:
            raise RowError("too_large", f"{name}: {info['size']:,} bytes; allowed: {allowed:,}")
        try:
            with ShardFile(self.config, info["name"]) as file:
                return file.read()
        except StorageFailed as error:
            if not error.permanent:
                raise
            raise RowError("unreadable", f"{name}: cannot be opened: {error}") from error

    def _table(self, files: dict[str, Info]) -> _Table:
        for name in TABLES:
            if name in files:
                with ShardFile(self.config, files[name]["name"]) as file:
                    return _parsed(name, file.read())
        return _Table()


@dataclass
class _Table:
    """What metadata.jsonl or metadata.csv says, by file name; no name: there is none."""

    name: str = ""
    rows: dict[str, dict[str, Any]] = field(default_factory=dict)
    error: RowError | None = None


def _parsed(name: str, data: bytes) -> _Table:
    table = _Table(name)
    lines = _jsonl(data) if name.endswith(".jsonl") else _csv(data)
    number = 1
    try:
        for number, row in lines:
            file_name = row.get("file_name")
            if not file_name or not isinstance(file_name, str):
                raise RowError("bad_metadata", f"{name}, line {number}: no text in file_name")
            table.rows[file_name.removeprefix("./")] = row
    except RowError as error:
        table.error = error
    except (ValueError, RecursionError, csv.Error) as error:
        message = f"{name}: unreadable after line {number}: {error}; its images have no caption"
        table.error = RowError("bad_metadata", message)
    return table


def _jsonl(data: bytes) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in enumerate(data.decode("utf-8-sig").split("\n"), 1):
        if line.strip():
            row = json.loads(line)
            if not isinstance(row, dict):
                raise RowError("bad_metadata", f"line {number}: expected a JSON object")
            yield number, {_text.clean(str(k)): _text.jsonable(v) for k, v in row.items()}


def _csv(data: bytes) -> Iterator[tuple[int, dict[str, Any]]]:
    reader = csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline=""), strict=True)
    for row in reader:
        named = {k: v for k, v in row.items() if k is not None}
        yield reader.line_num, {_text.clean(k): _text.jsonable(v) for k, v in named.items()}


def _by_folder(infos: Sequence[Info]) -> list[tuple[str, list[Info]]]:
    def folder(info: Info) -> str:
        return posixpath.dirname(str(info["name"]))

    return [(name, list(files)) for name, files in groupby(sorted(infos, key=folder), folder)]


def _shard(folder: str, infos: Sequence[Info], base: str) -> Shard:
    size = sum(int(info["size"]) for info in infos if _is_image(info["name"]))
    return Shard(relative(folder, base) or ".", folder, size, _version(infos))


def _version(infos: Sequence[Info]) -> str:
    return digest(f"{posixpath.basename(info['name'])}:{stamp(info)}" for info in infos)


def _is_image(name: str) -> bool:
    return name.lower().endswith(ENDINGS)
