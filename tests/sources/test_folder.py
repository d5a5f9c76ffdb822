"""Image folders: shards, captions from tables and sidecars, and what is amiss in them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from pipeline.errors import UsageError
from pipeline.images.decode import FORMATS
from pipeline.sources._names import PICTURES
from pipeline.sources._shard import Member
from pipeline.sources.folder import Config, build
from tests.sources.conftest import Place
from tests.sources.make import photo


def read(place: Place, **settings: Any) -> dict[str, list[Member]]:
    source = build(Config(**place.settings, **settings))
    return {shard.path: list(source.members(shard)) for shard in source.listing().shards}


def rows(members: list[Member]) -> list[tuple[str, str | None, str | None]]:
    return [(m.key, m.caption, m.error.kind if m.error else None) for m in members]


def test_every_folder_with_images_is_a_shard(place: Place) -> None:
    place.put("a.jpg", photo(0))
    place.put("a.txt", b"a red mug")
    place.put("b.PNG", photo(1, format="PNG"))
    place.put("red/c.jpg", photo(2))
    place.put("red/metadata.jsonl", b'{"file_name": "c.jpg", "caption": "a cup", "n": 1}\n')
    place.put("blue/d.jpg", photo(3))
    place.put("blue/metadata.csv", b'file_name,caption,n\nd.jpg,"a lamp, lit",2\n')
    place.put("notes/readme.txt", b"no images here")
    found = read(place)
    assert {path: rows(members) for path, members in found.items()} == {
        ".": [("a.jpg", "a red mug", None), ("b.PNG", None, None)],
        "blue": [("d.jpg", "a lamp, lit", None)],
        "red": [("c.jpg", "a cup", None)],
    }
    assert found["red"][0].image == photo(2)
    assert found["red"][0].columns == {"file_name": "c.jpg", "caption": "a cup", "n": 1}
    assert found["blue"][0].columns["n"] == "2"


def test_a_table_that_names_a_missing_file_is_told(local: Place) -> None:
    local.put("a.jpg", photo())
    lines = b'{"file_name": "a.jpg", "caption": "x"}\n{"file_name": "../../etc/passwd"}\n'
    local.put("metadata.jsonl", lines)
    assert rows(read(local)["."]) == [("a.jpg", "x", None), ("../../etc/passwd", None, "no_image")]


@pytest.mark.parametrize(
    ("name", "table"),
    [
        ("metadata.jsonl", b'{"file_name": "a.jpg", "caption": "x"}\n{oops\n'),
        ("metadata.jsonl", b'{"file_name": "a.jpg", "caption": "x"}\n[1]\n'),
        ("metadata.jsonl", b'{"file_name": "a.jpg", "caption": "x"}\n{"file": "b.jpg"}\n'),
        ("metadata.csv", b'file_name,caption\na.jpg,x\n"b.jpg,y\n'),
        ("metadata.csv", b"file_name,caption\na.jpg,x\n,y\n"),
        ("metadata.csv", b"file_name,caption\na.jpg,x\nb.jpg,a mug, red\n"),
    ],
)
def test_a_broken_line_is_one_dead_letter(local: Place, name: str, table: bytes) -> None:
    local.put("a.jpg", photo())
    local.put(name, table)
    good, (key, *told) = rows(read(local)["."])
    assert good == ("a.jpg", "x", None)
    assert key.startswith(f"({name} line ") and told == [None, "bad_metadata"]


def test_a_table_that_is_not_utf8(local: Place) -> None:
    local.put("a.jpg", photo())
    local.put("metadata.csv", b"file_name,caption\na.jpg,caf\xe9\n")
    assert [row[2] for row in rows(read(local)["."])] == ["bad_metadata"] * 2


def test_large_and_badly_captioned_files_fail_alone(local: Place) -> None:
    local.put("a.jpg", b"x" * 5000)
    local.put("b.jpg", photo())
    local.put("b.txt", b"caf\xe9")
    local.put("c.jpg", photo())
    members = read(local, max_bytes=4000)["."]
    assert [row[2] for row in rows(members)] == ["too_large", "not_utf8", None]
    assert members[0].image is None


@pytest.mark.skipif(os.geteuid() == 0, reason="root opens every file")
def test_a_file_without_permission_fails_alone(local: Place) -> None:
    local.put("a.jpg", photo())
    Path(local.path, "a.jpg").chmod(0)
    assert [row[2] for row in rows(read(local)["."])] == ["unreadable"]


def test_the_version_is_of_the_listing(local: Place) -> None:
    def version() -> str:
        return build(Config(**local.settings)).listing().shards[0].version

    local.put("a.jpg", photo(0))
    first = version()
    assert version() == first
    local.put("a.txt", b"a caption")
    second = version()
    local.put("b.jpg", photo(1))
    assert len({first, second, version()}) == 3


def test_a_folder_that_changes_under_the_reader_stops_it(local: Place) -> None:
    local.put("a.jpg", photo(0))
    source = build(Config(**local.settings))
    (shard,) = source.listing().shards
    local.put("b.jpg", photo(1))
    with pytest.raises(OSError, match="changed while it was read"):
        list(source.members(shard))


def test_a_glob_is_refused(local: Place) -> None:
    local.put("a.jpg", photo(0))
    with pytest.raises(UsageError, match="give its path"):
        build(Config(path=f"{local.path}/*.jpg")).listing()


def test_every_ending_of_a_format_that_is_decoded_is_a_picture() -> None:
    Image.init()
    known = {ending for ending, format in Image.EXTENSION.items() if format in FORMATS}
    assert known <= set(PICTURES)


def test_a_caption_of_several_lines_is_one(local: Place) -> None:
    local.put("a.jpg", photo())
    local.put("a.txt", b"a red mug\r\non a table\n")
    assert [m.caption for m in read(local)["."]] == ["a red mug\r\non a table"]


def test_the_reason_is_the_true_one(local: Place) -> None:
    for name in ("a.jpg", "b.heic", "c.jpg", "C.jpg"):
        local.put(name, photo())
    names = ("b.heic", "no.jpg", "x/no.jpg", "../a.jpg", "/a.jpg", "C.JPG")
    lines = "\n".join(f'{{"file_name": "{name}", "caption": "x"}}' for name in names)
    local.put("metadata.jsonl", lines.encode())
    told = {m.key: m.error.message for m in read(local)["."] if m.error}
    assert told == {
        "b.heic": "metadata.jsonl names 'b.heic', which is there, but of a format that is not read",
        "no.jpg": "metadata.jsonl names 'no.jpg', which is not in the folder",
        "x/no.jpg": "metadata.jsonl names 'x/no.jpg', but there are no pictures in that folder",
        "../a.jpg": "metadata.jsonl names '../a.jpg', which is out of the table's folder",
        "/a.jpg": "metadata.jsonl names '/a.jpg', which is no path relative to the table",
        "C.JPG": "'C.JPG' may be any of 'C.jpg', 'c.jpg'; rename them",
    }


def test_a_picture_whose_row_is_in_a_broken_line_says_so(local: Place) -> None:
    local.put("a.jpg", photo())
    local.put("b.jpg", photo())
    local.put("metadata.csv", b"file_name,caption\na.jpg,a mug, red\nb.jpg,a cup\n")
    first, second, told = read(local)["."]
    assert first.error and first.error.message == (
        "metadata.csv: line 2: 3 fields, but 2 columns; quote what has commas in it"
    )
    assert (second.caption, told.key) == ("a cup", "(metadata.csv line 2)")


def test_rows_of_one_picture_keep_their_columns(local: Place) -> None:
    local.put("a.jpg", photo())
    local.put("metadata.csv", b"file_name,caption,to\na.jpg,x,red\na.jpg,,blue\n")
    rows_of = [(m.key, m.caption, m.columns["to"]) for m in read(local)["."]]
    assert rows_of == [("a.jpg", "x", "red"), ("a.jpg#2", None, "blue")]
