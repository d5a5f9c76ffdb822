"""A folder, a file or s3:// → what is there: format, columns, sizes, colours. Writes nothing."""

from __future__ import annotations

import io
import posixpath
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from PIL import Image

from pipeline.errors import UsageError
from pipeline.images.decode import FORMATS
from pipeline.init import columns
from pipeline.init.feed import Feed, feed
from pipeline.rows import PassedOver
from pipeline.section import build
from pipeline.sources import folder, parquet, webdataset
from pipeline.sources._files import Files, Info, ShardFile, exact
from pipeline.sources._listing import list_files
from pipeline.sources._names import is_picture
from pipeline.sources._shard import Member, Source
from pipeline.storage import Storage

SAMPLE, SHARDS, PICTURES = 200, 4, 24
"""Rows that are looked at, shards they are of, and pictures whose sizes are read."""


@dataclass
class Looked:
    """What a look at the data found; None where it cannot be told."""

    path: str
    endpoint_url: str | None
    type: str  # of input
    files: int  # shards, or pictures of a folder
    also: Counter[str] = field(default_factory=Counter)  # files of the other formats
    feed: Feed | None = None  # of a folder
    near: str | None = None  # a table beside the folder, which is not read
    joined: int = 0  # pictures looked at that have columns
    image: str | None = None  # column of Parquet
    caption: str | None = None  # as the config has it; None: it is the default one's
    captioned: bool = False  # whether most rows have one
    colour: str | None = None
    noun: str | None = None
    sku: str | None = None
    members: list[Member] = field(default_factory=list)
    names: list[str] = field(default_factory=list)  # of columns
    sizes: list[tuple[int, int]] = field(default_factory=list)
    transparent: int = 0  # of the pictures whose sizes were read

    @property
    def captions(self) -> list[str]:
        """Of the rows that were looked at; empty where one has none."""
        name = self.caption
        if name is None:
            return [member.caption or "" for member in self.members]
        column = name.removeprefix("json:")
        return [str(member.columns.get(column) or "") for member in self.members]


def look(path: str, endpoint_url: str | None) -> Looked:
    """Looks at some rows. Raises UsageError where nothing that can be read is there."""
    files = Files(path=path, storage=Storage(endpoint_url=endpoint_url))
    _, infos = list_files(files, PassedOver())
    kinds = Counter(kind for info in infos if (kind := _kind(str(info["name"]))))
    if not kinds:
        there = sorted({posixpath.splitext(info["name"])[1] or "no ending" for info in infos})
        raise UsageError(
            f"{path}: no pictures, .tar or .parquet files; there are: {', '.join(there) or 'none'}"
        )
    # One tar or Parquet file holds many pictures: where both lie, single pictures are beside it.
    order = ("webdataset", "parquet", "folder")
    kind = next((k for k in order if kinds[k] and 10 * kinds[k] >= kinds["folder"]), "folder")
    found = Looked(path, endpoint_url, kind, kinds.pop(kind), kinds)
    _read(found, files, infos)
    return found


def _kind(name: str) -> str | None:
    if name.lower().endswith(webdataset.ENDINGS):
        return "webdataset"
    if name.lower().endswith(parquet.ENDINGS) and posixpath.basename(name) != "metadata.parquet":
        return "parquet"
    return "folder" if is_picture(name) else None


def _read(found: Looked, files: Files, infos: Sequence[Info]) -> None:
    source = _source(found, files, infos)
    shards = source.listing().shards
    chosen = shards[:: -(-len(shards) // SHARDS)]
    rows = (islice(source.members(shard), SAMPLE // len(chosen)) for shard in chosen)
    found.members = [member for few in rows for member in few if member.image or member.columns]
    table = [member.columns for member in found.members]
    found.joined = sum(bool(m.image and m.columns) for m in found.members)
    found.names = list(dict.fromkeys(name for row in table for name in row))
    with_caption = sum(bool(member.caption) for member in found.members)
    if 2 * with_caption <= len(found.members):
        name = columns.caption(table)
        found.caption = f"json:{name}" if name and found.type == "webdataset" else name
    found.captioned = 2 * sum(map(bool, found.captions)) > len(found.members)
    found.colour, found.sku = columns.colour(table), columns.sku(table)
    found.noun = columns.noun(table, found.captions)
    for member in islice((m for m in found.members if m.image), PICTURES):
        _measure(found, member.image or b"")


def _source(found: Looked, files: Files, infos: Sequence[Info]) -> Source:
    given: dict[str, Any] = {"path": files.path, "storage": files.storage}
    if found.type == "webdataset":
        made: Source = build(webdataset.Config(**given))
    elif found.type == "parquet":
        found.image = _image_column(files, infos)
        made = build(parquet.Config(**given, image=found.image or "image", caption=None))
    else:
        found.feed, found.near = feed(files, infos), _near(files.path)
        made = build(folder.Config(**given, **told(found.feed)))
    return made


def _near(path: str) -> str | None:
    """A feed beside a local folder."""
    here = Path(path)
    if "://" in path or not here.is_dir():
        return None
    return next((p.name for p in sorted(here.resolve().parent.glob("*.csv"))), None)


def told(table: Feed | None) -> dict[str, str]:
    """What a folder's config must say of its table."""
    if table is None or table.file is None or table.plain:
        return {}
    return {"table": table.name, "file_name": table.file}


def _image_column(files: Files, infos: Sequence[Info]) -> str | None:
    first = next(info for info in infos if _kind(str(info["name"])) == "parquet")
    try:
        with ShardFile(files, first["name"], exact(first)) as file:
            schema = pq.read_schema(file)
    except (ValueError, OSError) as error:
        raise UsageError(f"{first['name']}: not readable Parquet: {error}") from error
    names = [f.name for f in schema if parquet._is_binary(parquet._held(f.type))]
    return min(names, key=lambda name: columns.rank(name, columns.FILES), default=None)


def _measure(found: Looked, data: bytes) -> None:
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as picture:
            found.sizes.append(picture.size)
            found.transparent += picture.has_transparency_data
    except Exception:
        return  # a dead letter of the run, which says why
