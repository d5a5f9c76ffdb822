"""What is read is what was listed: a file that changes under the reader ends the run."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyroaring import BitMap

from pipeline.errors import RunError
from pipeline.rows import PassedOver
from pipeline.sources import folder, parquet, webdataset
from pipeline.sources._chunks import chunks
from pipeline.sources._files import Files, ShardFile, exact
from pipeline.sources._filling import Filling
from pipeline.sources._listing import list_files
from pipeline.sources._shard import Shard, Source
from pipeline.storage import Storage
from tests.s3_server import S3Server
from tests.sources.conftest import Place
from tests.sources.make import parquet as parquet_file
from tests.sources.make import photo, samples, tar

ROWS = 300


@cache
def picture(number: int) -> bytes:
    """One of some size, for what fits a buffer is read at once."""
    return photo(number, (96, 96))


def shard_file(kind: str, first: int) -> bytes:
    """Pictures numbered from `first`."""
    if kind == "parquet":
        images = [picture(first + i) for i in range(ROWS)]
        return parquet_file(row_group=16, image=images, caption=["a mug"] * ROWS)
    return tar([(f"{i:05d}.jpg", picture(first + i)) for i in range(ROWS)])


def begun(place: Place, kind: str) -> tuple[Shard, Iterator[pa.Table], bytes]:
    """A shard of which one chunk has been read."""
    data = shard_file(kind, 0)
    place.put(f"a.{kind}", data)
    module: Any = parquet if kind == "parquet" else webdataset
    source: Source = module.build(module.Config(**place.settings))
    (shard,) = source.listing().shards
    tables = chunks(source, shard, Filling(4, None), BitMap())
    next(tables)
    return shard, tables, data


def images(tables: Iterator[pa.Table]) -> Iterator[bytes]:
    for table in tables:
        yield from table["image"].to_pylist()


def overwritten(path: Path, data: bytes) -> None:
    with path.open("r+b") as file:
        file.write(data)


def truncated(path: Path, _: bytes) -> None:
    os.truncate(path, path.stat().st_size // 2)


def appended(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)


@pytest.mark.parametrize("kind", ["tar", "parquet"])
@pytest.mark.parametrize("change", [overwritten, truncated, appended])
def test_a_shard_changed_in_its_place(
    local: Place, kind: str, change: Callable[[Path, bytes], None]
) -> None:
    shard, tables, _ = begun(local, kind)
    change(Path(shard.url), shard_file(kind, 1000))
    old = {picture(i) for i in range(ROWS)}
    read = []
    with pytest.raises(RunError, match=rf"a\.{kind} changed while it was read.*run again"):
        for image in images(tables):
            read.append(image)
    assert old.issuperset(read)


@pytest.mark.parametrize("kind", ["tar", "parquet"])
def test_a_shard_replaced_by_another_file_is_read_to_its_end(local: Place, kind: str) -> None:
    shard, tables, _ = begun(local, kind)
    other = Path(local.path, "other")
    other.write_bytes(shard_file(kind, 1000))
    other.replace(shard.url)
    assert list(images(tables)) == [picture(i) for i in range(4, ROWS)]


def test_a_shard_replaced_between_listing_and_reading(place: Place) -> None:
    place.put("a.tar", shard_file("tar", 0))
    source = webdataset.build(webdataset.Config(**place.settings))
    (shard,) = source.listing().shards
    place.put("a.tar", shard_file("tar", 1000))
    with pytest.raises(RunError, match=r"a\.tar changed while it was read"):
        list(chunks(source, shard, Filling(4, None), BitMap()))


def test_a_touched_shard_of_one_size_is_another(local: Place) -> None:
    local.put("a.tar", tar(samples(2)))
    source = webdataset.build(webdataset.Config(**local.settings))
    (shard,) = source.listing().shards
    before = Path(shard.url).stat()
    os.utime(shard.url, ns=(before.st_atime_ns, before.st_mtime_ns + 1_000_000))
    with pytest.raises(OSError, match="changed"):
        list(source.members(shard))


def replaced_between_reads(settings: dict[str, Any], put: Callable[[str, bytes], None]) -> None:
    """An object replaced between two ranged reads: the second raises, and gives nothing new."""
    put("a.bin", b"old" * (3 << 20))
    files = Files(**settings)
    _, (info,) = list_files(files, PassedOver())
    with ShardFile(files, info["name"], exact(info)) as file:
        assert file.read(3) == b"old"
        put("a.bin", b"new" * (3 << 20))
        with pytest.raises(OSError, match=r"a\.bin changed while it was read"):
            file.seek(8 << 20)
            file.read(3)


def test_an_object_replaced_between_two_reads(place: Place) -> None:
    replaced_between_reads(place.settings, place.put)


@pytest.mark.parametrize("kind", ["tar", "parquet"])
def test_an_object_replaced_while_it_is_streamed(moto: Storage, tmp_path: Path, kind: str) -> None:
    place = Place(f"s3://input/{tmp_path.name}", moto)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pipeline.sources._files.READ_AHEAD", 1 << 16)
        _, tables, _ = begun(place, kind)
        place.put(f"a.{kind}", shard_file(kind, 1000))
        old = {picture(i) for i in range(ROWS)}
        read: list[bytes] = []
        with pytest.raises(RunError, match=rf"a\.{kind} changed while it was read"):
            read.extend(images(tables))
        assert old.issuperset(read)


def test_on_a_real_server(s3_server: S3Server) -> None:
    place = Place(s3_server.path("pinned"), Storage(endpoint_url=s3_server.endpoint_url))
    replaced_between_reads(place.settings, place.put)


def test_a_picture_changed_while_its_folder_is_read(place: Place) -> None:
    for name in ("a.jpg", "b.jpg", "c.jpg"):
        place.put(name, photo())
    source = folder.build(folder.Config(**place.settings))
    (shard,) = source.listing().shards
    members = source.members(shard)
    assert next(members).key == "a.jpg"
    place.put("c.jpg", photo(1))
    assert next(members).key == "b.jpg"
    with pytest.raises(OSError, match=r"c\.jpg changed while it was read"):
        next(members)


def test_a_table_above_that_changes_is_a_change_of_the_shard(place: Place) -> None:
    place.put("x/a.jpg", photo())
    place.put("metadata.csv", b"file_name,caption\nx/a.jpg,a mug\n")
    source = folder.build(folder.Config(**place.settings))
    (before,) = source.listing().shards
    place.put("metadata.csv", b"file_name,caption\nx/a.jpg,a red mug\n")
    (after,) = source.listing().shards
    assert (before.path, before.version != after.version) == ("x", True)
    with pytest.raises(OSError, match="x: the folder changed while it was read"):
        list(source.members(before))
    assert next(source.members(after)).caption == "a red mug"


def test_a_picture_that_is_gone_while_its_folder_is_read(local: Place) -> None:
    for name in ("a.jpg", "b.jpg"):
        local.put(name, photo())
    source = folder.build(folder.Config(**local.settings))
    (shard,) = source.listing().shards
    members = source.members(shard)
    assert next(members).key == "a.jpg"
    Path(local.path, "b.jpg").unlink()
    with pytest.raises(OSError, match=r"b\.jpg changed while it was read"):
        next(members)
