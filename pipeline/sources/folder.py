"""Folders of image files with captions in a metadata table or in sidecar files.

One shard a folder that holds images. A table (metadata.jsonl, .csv or .parquet, as Hugging Face's
imagefolder has them) may stand beside the images or above their folder; each of its rows is a row,
also where several name one image. Without one, the caption is in a .txt, .caption or .json of the
image's name. Knows no other source's format.
"""

from __future__ import annotations

import posixpath
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache, partial
from itertools import chain
from typing import Any, Literal

from pydantic import Field

from pipeline.errors import RowError, UsageError
from pipeline.rows import GONE, RANK, PassedOver, name_digest
from pipeline.sources import _entries, _text
from pipeline.sources import _grouping as grouping
from pipeline.sources._beside import CAPTIONS, Beside, Placed, Row, count_passed, endings, table_of
from pipeline.sources._files import (
    Changed,
    Files,
    Info,
    ShardFile,
    StorageFailed,
    exact,
)
from pipeline.sources._listing import info_of, list_files, list_folder, nothing_found, relative
from pipeline.sources._names import PICTURES, folded, is_picture
from pipeline.sources._shard import (
    Entry,
    Listing,
    Member,
    Shard,
    no_protection,
    numbered,
    told_apart,
    unnumbered,
)
from pipeline.sources._table import FILE, NAMES
from pipeline.storage import connect


class Config(Files):
    """Folders of image files."""

    type: Literal["folder"] = "folder"
    caption: str = Field(
        "caption", description="Captions: column of the metadata table, or key of a .json sidecar."
    )
    table: str | None = Field(
        None,
        pattern=r"^[^/\\]+\.(jsonl|csv|tsv|txt|parquet)$",
        description="Name of the metadata table; unset: metadata.jsonl, .csv or .parquet.",
    )
    file_name: str = Field(
        FILE,
        min_length=1,
        description="Column of the table that names the picture; if another than file_name, "
        "also without the picture's ending.",
    )

    mask: str | None = Field(
        None,
        description="Ending of a picture beside each, bright where to edit (.mask.png; see "
        "mask.given), or the table's column that names it.",
    )
    protect: str | None = Field(
        None,
        description="Likewise a picture that is bright where nothing is ever edited.",
    )

    @property
    def masks(self) -> tuple[str, ...]:
        """Endings of masks beside pictures, and columns of the table that name masks."""
        return tuple(name for name in (self.mask, self.protect) if name)

    def shows(self, name: str) -> bool:
        """Whether the file is a picture, and no mask by its ending."""
        return is_picture(name) and not name.lower().endswith(endings(self.masks))

    @property
    def tables(self) -> tuple[str, ...]:
        """Names of metadata tables, in lower case."""
        return (self.table.lower(),) if self.table else NAMES


def build(config: Config) -> Folder:
    """The source that `config` describes; nothing is opened yet."""
    return Folder(config)


@dataclass(frozen=True)
class Folder:
    """See `_shard.Source`. A folder's version is a digest of its listing and the tables above."""

    config: Config
    grows = True  # see `_shard.Growing`

    def listing(self) -> Listing:
        passed = PassedOver()
        base, infos = list_files(self.config, passed)
        if base != connect(self.config.path, self.config.storage)[1]:
            raise UsageError(f"{self.config.path}: type folder reads a folder; give its path")
        folders = grouping.by_folder(infos)
        found = {name: table_of(files, self.config.tables) for name, files in folders.items()}
        tables = {name: table for name, table in found.items() if table}
        shards = [
            _shard(self.config, name, files, grouping.above(name, tables, base), base)
            for name, files in folders.items()
            if any(self.config.shows(info["name"]) for info in files)
        ]
        urls = [shard.url for shard in shards]
        count_passed(folders, self.config.tables, self.config.masks, urls, base, passed)
        if not shards:
            raise nothing_found(self.config, infos, "images", PICTURES, passed)
        return Listing(grouping.with_tells(sorted(shards, key=lambda shard: shard.path)), passed)

    def members(self, shard: Shard) -> Iterator[Member]:
        return numbered(self._members(shard)) if shard.picks is None else self._picked(shard)

    def entries(self, shard: Shard) -> list[Entry]:
        """See `_shard.Growing`."""
        return list(_entries.entries(*self._looked_at(shard)))

    def _picked(self, shard: Shard) -> Iterator[Member]:
        files, beside = self._looked_at(shard)
        there = {name_digest(k): what for k, what in _entries.named(beside).items()}
        picks = [pick for pick in shard.picks or () if pick.stamp != GONE]
        for index, pick in enumerate(picks, 1):
            what = there.get(pick.name)
            if what is None or _entries.stamp(what, files, beside) != pick.stamp:
                raise Changed(f"{shard.path}: a picture")
            pictures = (self._picture(name, files, beside) for name in what.pictures)
            for rank, member in enumerate(chain(*pictures, what.told)):
                ordinal = pick.position + rank * RANK
                yield replace(member, ordinal=ordinal, share=index / len(picks))

    def _members(self, shard: Shard) -> Iterator[Member]:
        files, beside = self._looked_at(shard)
        for index, name in enumerate(beside.pictures, 1):
            for member in self._picture(name, files, beside):
                yield replace(member, share=index / len(beside.pictures))
        for member in beside.told:
            yield replace(member, share=1.0)

    def _looked_at(self, shard: Shard) -> tuple[dict[str, Info], Beside]:
        """What lies in the folder, and what is said there and in the tables above of its pictures.

        Raises Changed where that is not what was listed.
        """
        infos = list_folder(self.config, shard.url)
        above = [info_of(self.config, url) for url in shard.tables]
        changed = grouping.version(infos, above) != shard.version
        changed = changed or bool(shard.pin and grouping.pin(infos, above) != shard.pin)
        if changed and shard.picks is None:  # each pick has its own stamp
            raise Changed(f"{shard.path}: the folder")
        files = {posixpath.basename(info["name"]): info for info in infos}
        beside = Beside(files, self.config.tables, self.config.file_name, masks=self.config.masks)
        own = table_of(infos, self.config.tables)
        for table in [own, *above] if own else above:
            tells = table is own or table["name"] in shard.tells
            self._read_table(table, shard, beside, tells)
        beside.leave_out_masks()
        return files, beside

    def _read_table(self, table: Info, shard: Shard, beside: Beside, tells: bool) -> None:
        folder = posixpath.dirname(table["name"])
        others = cache(partial(_folders_below, self.config, folder)) if tells else None
        placed = _placed(self.config, table["name"], exact(table))
        beside.read_table(placed, folded(relative(shard.url, folder)), others)

    def _picture(self, name: str, files: Mapping[str, Info], beside: Beside) -> Iterator[Member]:
        member = unnumbered(_text.key(name))
        try:
            member = replace(member, image=self._read(files[name], self.config.max_bytes))
        except RowError as error:
            member = replace(member, error=error)
        yield from told_apart(
            captioned
            for row in beside.rows.get(name) or [{}]
            for captioned in self._captioned(name, replace(member, columns=row), files, beside)
        )

    def _captioned(
        self, name: str, member: Member, files: Mapping[str, Info], beside: Beside
    ) -> Iterator[Member]:
        row, captions = member.columns, list[str]()
        try:
            captions = _text.captions(row.get(self.config.caption))
            if not captions:
                more, written = self._sidecar(name, files, beside)
                captions = _text.captions(written)
                member = replace(member, columns={**more, **row})
            if not captions and not row and beside.broken:
                raise beside.broken
            mask, protect = self._masks(name, row, files, beside)
            member = replace(member, mask=mask, protect=protect)
        except RowError as error:
            member = replace(member, error=member.error or error)
        yield from (replace(member, caption=caption) for caption in captions)
        if not captions:
            yield member

    def _masks(
        self, name: str, row: Row, files: Mapping[str, Info], beside: Beside
    ) -> tuple[bytes | None, bytes | None]:
        """The picture's mask, and what of it is protected. Raises RowError."""
        wanted = self.config.mask, self.config.protect
        found = [beside.mask(name, row, option) if option else None for option in wanted]
        if self.config.protect and found[1] is None:
            raise no_protection(name, self.config.protect)
        read = [self._read(files[n], self.config.max_bytes) if n else None for n in found]
        return read[0], read[1]

    def _sidecar(self, name: str, files: Mapping[str, Info], beside: Beside) -> tuple[Row, Any]:
        """Columns and caption of the files beside a picture."""
        for ending in CAPTIONS:
            if found := beside.sidecar(name, ending):
                data = self._read(files[found], _text.MAX_TEXT)
                return {}, _text.decoded(data, found)
        found = beside.sidecar(name, ".json")
        if not found:
            return {}, None
        row = _text.json_object(self._read(files[found], _text.MAX_TEXT), found)
        return row, row.get(self.config.caption)

    def _read(self, info: Info, allowed: int) -> bytes:
        name = posixpath.basename(info["name"])
        if info["size"] > allowed:
            raise RowError("too_large", f"{name}: {info['size']:,} bytes; allowed: {allowed:,}")
        try:
            with ShardFile(self.config, info["name"], exact(info)) as file:
                data = file.read()
        except Changed:
            raise
        except StorageFailed as error:
            if isinstance(error.__cause__, FileNotFoundError):  # it was listed a moment ago
                raise Changed(info["name"]) from error
            if not error.permanent:
                raise
            raise RowError("unreadable", f"{name}: cannot be opened: {error}") from error
        if _text.lfs_pointer(data):
            raise RowError("lfs_pointer", f"{name}: {_text.POINTER}")
        return data


@lru_cache(maxsize=2)
def _placed(config: Config, url: str, pin: str) -> Placed:
    """A table; kept, for many folders may lie below it."""
    with ShardFile(config, url, pin) as file:
        return Placed(posixpath.basename(url), file.read(), config.file_name)


def _shard(
    config: Config, folder: str, infos: Sequence[Info], above: Sequence[Info], base: str
) -> Shard:
    pictures = [int(info["size"]) for info in infos if config.shows(info["name"])]
    return Shard(
        path=_text.utf8(relative(folder, base)) or ".",
        url=folder,
        size=sum(pictures),
        version=grouping.version(infos, above),
        pin=grouping.pin(infos, above),
        rows=len(pictures),
        tables=tuple(info["name"] for info in above),
    )


def _folders_below(config: Config, folder: str) -> Collection[str]:
    """Folders below `folder` that hold pictures, as `folded` has them."""
    _, infos = list_files(config, PassedOver(), below=folder)
    pictures = [str(info["name"]) for info in infos if config.shows(info["name"])]
    return {folded(relative(posixpath.dirname(name), folder)) for name in pictures}
