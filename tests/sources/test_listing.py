"""What is listed, what is passed over and why, on local disk and on S3."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pipeline.errors import UsageError
from pipeline.rows import PassedOver
from pipeline.sources import _listing, folder, parquet, webdataset
from pipeline.sources._chunks import require_columns
from pipeline.sources._shard import Source
from tests.sources.conftest import Place
from tests.sources.make import parquet as parquet_file
from tests.sources.make import photo, samples, tar


def tars(path: str) -> tuple[list[str], dict[str, dict[str, int]]]:
    listing = webdataset.build(webdataset.Config(path=path)).listing()
    return [shard.path for shard in listing.shards], listing.passed.endings


def test_the_same_is_passed_over_on_every_storage(place: Place) -> None:
    for name in ("a.jpg", "b.HEIC", "x/c.jfif", "x/c.txt", "x/d.txt", ".h/e.jpg", "f.tar"):
        place.put(name, photo())
    listing = folder.build(folder.Config(**place.settings)).listing()
    assert [shard.path for shard in listing.shards] == [".", "x"]
    assert listing.passed.endings == {
        "hidden (. or __MACOSX)": {".jpg": 1},
        "no picture of a format that is read": {".heic": 1, ".tar": 1},
        "a caption, .json or mask without a picture of its name": {".txt": 1},
    }
    assert next(listing.passed.lines()) == (
        "passed over: 4 files (endings: 1 × .heic, 1 × .jpg, 1 × .tar, 1 × .txt)"
    )


def test_a_table_above_the_pictures_on_every_storage(place: Place) -> None:
    place.put("in/x/a.jpg", photo())
    place.put("in/y/z/b.jpg", photo())
    lines = "\n".join(
        f'{{"file_name": "{name}", "caption": "{name}"}}'
        for name in ("x/a.jpg", "y/z/b.jpg", "y/z/c.jpg", "gone/d.jpg")
    )
    place.put("in/metadata.jsonl", lines.encode())
    config = folder.Config(**{**place.settings, "path": f"{place.path}/in"})
    source = folder.build(config)
    rows = {
        shard.path: [(m.key, m.caption, m.error and m.error.kind) for m in source.members(shard)]
        for shard in source.listing().shards
    }
    assert rows == {
        "x": [("a.jpg", "x/a.jpg", None), ("gone/d.jpg", None, "no_image")],
        "y/z": [("b.jpg", "y/z/b.jpg", None), ("y/z/c.jpg", None, "no_image")],
    }


def test_a_folder_is_read_once_under_its_own_name(tmp_path: Path) -> None:
    (tmp_path / "in" / "z").mkdir(parents=True)
    (tmp_path / "out" / "sub").mkdir(parents=True)
    for place in ("in/z/0.tar", "out/1.tar", "out/sub/2.tar"):
        (tmp_path / place).write_bytes(b"")
    for link, target in (("a", "z"), ("b", "../out"), ("c", "../out/sub"), ("d", ".."), ("e", "e")):
        (tmp_path / "in" / link).symlink_to(target)
    shards, passed = tars(f"{tmp_path}/in")
    assert shards == ["b/1.tar", "b/sub/2.tar", "z/0.tar"]
    assert passed == {
        _listing.TWICE: {"no ending": 2},
        _listing.AROUND: {"no ending": 1},
        _listing.DANGLING: {"no ending": 1},
    }


def test_links_of_hidden_folders_hide_nothing(tmp_path: Path) -> None:
    (tmp_path / "in" / ".cache").mkdir(parents=True)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "0.tar").write_bytes(b"")
    (tmp_path / "in" / ".cache" / "link").symlink_to("../../data")
    (tmp_path / "in" / "shown").symlink_to("../data")
    (tmp_path / "in" / ".cache" / "1.tar").write_bytes(b"")
    (tmp_path / "in" / "cache").symlink_to(".cache")
    shards, passed = tars(f"{tmp_path}/in")
    assert shards == ["cache/1.tar", "shown/0.tar"]
    assert passed == {
        _listing.HIDDEN: {".tar": 1, "no ending": 1},
        _listing.TWICE: {"no ending": 1},
    }


def test_special_files_are_not_opened(tmp_path: Path) -> None:
    (tmp_path / "a.tar").write_bytes(tar(samples(1)))
    os.mkfifo(tmp_path / "b.tar")
    assert tars(str(tmp_path)) == (["a.tar"], {_listing.SPECIAL: {".tar": 1}})


@pytest.mark.skipif(os.geteuid() == 0, reason="root lists every folder")
def test_a_folder_that_may_not_be_listed_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.tar").write_bytes(b"")
    (tmp_path / "x").mkdir(mode=0)
    assert tars(str(tmp_path))[1] == {f"{_listing.LOCKED}: Permission denied": {"no ending": 1}}


def test_a_hidden_file_that_is_named_is_read(tmp_path: Path) -> None:
    (tmp_path / "_x.parquet").write_bytes(parquet_file(image=[photo()], caption=["a"]))
    listing = parquet.build(parquet.Config(path=f"{tmp_path}/_x.parquet")).listing()
    assert [shard.path for shard in listing.shards] == ["_x.parquet"]


def test_folders_that_a_pattern_names_are_told(place: Place) -> None:
    place.put("x/a.tar", b"")
    place.put("b.tar", b"")
    config = webdataset.Config(**{**place.settings, "path": f"{place.path}/*"})
    listing = webdataset.build(config).listing()
    assert [shard.path for shard in listing.shards] == ["b.tar"]
    assert listing.passed.endings == {_listing.FOLDER: {"no ending": 1}}


def test_names_that_only_odd_bytes_tell_apart(tmp_path: Path) -> None:
    for name in ("caf\udce9.tar", "caf\\xe9.tar"):
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(UsageError, match="2 files are told apart by odd bytes only"):
        tars(str(tmp_path))


def sources(local: Place, *contents: bytes, **settings: object) -> Source:
    for number, data in enumerate(contents):
        local.put(f"{number}.parquet", data)
    config = parquet.Config(**local.settings, **settings)
    return parquet.build(config)


GOOD = parquet_file(image=[photo()], caption=["a"], target=["b"])
OTHER = parquet_file(img=[photo()], text=["a"])
NO_TARGET = parquet_file(image=[photo()], caption=["a"])
BROKEN = b"garbage" * 99


@pytest.mark.parametrize("first", [OTHER, NO_TARGET, BROKEN, b""])
def test_the_first_shard_is_judged_as_any_other(local: Place, first: bytes) -> None:
    source = sources(local, first, GOOD)
    require_columns(source, source.listing().shards, ["target"])


@pytest.mark.parametrize("contents", [[OTHER, OTHER], [BROKEN, OTHER], [NO_TARGET, BROKEN]])
def test_what_no_shard_has_ends_the_run(local: Place, contents: list[bytes]) -> None:
    source = sources(local, *contents)
    with pytest.raises(UsageError, match=r"\d\.parquet: no column"):
        require_columns(source, source.listing().shards, ["target"])


def test_shards_that_cannot_be_read_say_nothing(local: Place) -> None:
    source = sources(local, BROKEN, b"")
    require_columns(source, source.listing().shards, ["target"])


def test_a_column_that_comes_late_in_a_tar(local: Place) -> None:
    late = [("z.jpg", photo()), ("z.json", b'{"target": "x"}')]
    local.put("a.tar", tar([*samples(40), *late]))
    source = webdataset.build(webdataset.Config(**local.settings))
    require_columns(source, source.listing().shards, ["target"])


def test_counts_add_up_and_travel(local: Place) -> None:
    import pyarrow as pa

    passed = PassedOver()
    for name in ("a.HEIC", "b.heic", "c"):
        passed.add(name, "why")
    noted = PassedOver.of(passed.noted(pa.table({"x": [1]})))
    assert noted == passed and PassedOver.of(pa.table({"x": [1]})).files == 0
    assert PassedOver().merge(passed).merge(noted).files == 6
    assert list(passed.lines()) == [
        "passed over: 3 files (endings: 2 × .heic, 1 × no ending)",
        "  why: 2 × .heic, 1 × no ending; for example a.HEIC",
    ]


def test_a_name_that_is_not_utf8_in_an_error_can_be_printed(tmp_path: Path) -> None:
    (tmp_path / "\udce9.tar").write_bytes(tar(samples(1)))
    source = webdataset.build(webdataset.Config(path=str(tmp_path)))
    (shard,) = source.listing().shards
    (tmp_path / "\udce9.tar").unlink()
    with pytest.raises(OSError, match=r"\\xe9\.tar: No such file") as said:
        list(source.members(shard))
    str(said.value).encode()
