"""Listing shards, and the errors a user meets before anything is read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pipeline.errors import UsageError
from pipeline.sources import folder, parquet, webdataset
from pipeline.sources._chunks import require_columns
from pipeline.storage import Storage
from tests.sources.conftest import Place
from tests.sources.make import parquet as parquet_file
from tests.sources.make import photo, samples, tar


def paths(path: str, storage: Storage | None = None) -> list[str]:
    config = webdataset.Config(path=path, storage=storage or Storage())
    return [shard.path for shard in webdataset.build(config).listing().shards]


def test_folder_glob_and_single_file(place: Place) -> None:
    for name in (
        "b/2.tar",
        "a.tar",
        "b/1.tar.gz",
        "b/c/3.tgz",
        ".hidden/4.tar",
        "b/.5.tar",
        "n.txt",
    ):
        place.put(name, b"x")
    assert paths(place.path, place.storage) == ["a.tar", "b/1.tar.gz", "b/2.tar", "b/c/3.tgz"]
    assert paths(f"{place.path}/b/*.tar*", place.storage) == ["1.tar.gz", "2.tar"]
    assert paths(f"{place.path}/b/2.tar", place.storage) == ["2.tar"]


def test_sizes_and_versions(place: Place) -> None:
    place.put("a.tar", b"x" * 10)
    source = webdataset.build(webdataset.Config(**place.settings))
    (first,) = source.listing().shards
    assert first.size == 10 and source.listing().shards == [first]
    place.put("a.tar", b"x" * 11)
    assert source.listing().shards[0].version != first.version


def test_links_to_shards_are_followed(local: Place, tmp_path: Path) -> None:
    local.put("blobs/abc", tar(samples(1)))
    Path(local.path, "in").mkdir()
    Path(local.path, "in", "a.tar").symlink_to(f"{local.path}/blobs/abc")
    os.mkfifo(f"{local.path}/in/b.tar")
    assert paths(f"{local.path}/in") == ["a.tar"]


def test_brackets_in_a_folder_name_are_no_glob(tmp_path: Path) -> None:
    (tmp_path / "set[1]").mkdir()
    (tmp_path / "set[1]" / "a.tar").write_bytes(b"x")
    assert paths(str(tmp_path / "set[1]")) == ["a.tar"]


@pytest.mark.parametrize("source", [webdataset, parquet, folder])
def test_nothing_there_says_what_is(local: Place, source: object) -> None:
    local.put("a.xyz", b"")
    local.put("b.xyz", b"")
    config = source.Config(**local.settings)  # type: ignore[attr-defined]
    with pytest.raises(UsageError, match=r"2 × \.xyz"):
        source.build(config).listing()  # type: ignore[attr-defined]


def test_wrong_places(tmp_path: Path, moto: Storage) -> None:
    with pytest.raises(UsageError, match="no such file, folder or bucket"):
        paths(str(tmp_path / "missing"))
    with pytest.raises(UsageError, match="found: no files"):
        paths(str(tmp_path / "*.tar"))
    with pytest.raises(UsageError, match="s3://no-such-bucket/x: cannot read the input"):
        paths("s3://no-such-bucket/x", moto)
    with pytest.raises(UsageError, match="only local paths, s3://"):
        paths("oss://bucket/x")


def test_a_missing_column_stops_before_the_run(local: Place) -> None:
    source = parquet.build(parquet.Config(path=local.path, caption="text"))
    local.put("a.parquet", parquet_file(image=[photo()], caption=["x"]))
    with pytest.raises(UsageError, match=r"a\.parquet: no column 'text'; its columns: image, cap"):
        require_columns(source, source.listing().shards, [])
    source = parquet.build(parquet.Config(path=local.path))
    require_columns(source, source.listing().shards, ["caption"])
    with pytest.raises(UsageError, match="no column target; its columns: caption"):
        require_columns(source, source.listing().shards, ["caption", "target"])
