"""Parquet shards: cell types, other columns, and damaged files."""

from __future__ import annotations

import datetime
import decimal
from typing import Any

import pyarrow as pa
import pytest

from pipeline.sources._shard import Member
from pipeline.sources.parquet import Config, build
from tests.corpus import layouts
from tests.sources.conftest import Place
from tests.sources.make import parquet, photo

IMAGES = [photo(i) for i in range(20)]
CAPTIONS = [f"a red mug {i}" for i in range(20)]


def read(place: Place, data: bytes, **settings: Any) -> list[Member]:
    place.put("a.parquet", data)
    source = build(Config(**place.settings, **settings))
    (shard,) = source.listing().shards
    members = list(source.members(shard))
    assert [m.ordinal for m in members] == list(range(len(members)))
    return members


def kinds(members: list[Member]) -> list[str | None]:
    return [m.error.kind if m.error else None for m in members]


def structs(images: list[bytes | None]) -> pa.Array:
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    return pa.array([{"bytes": image, "path": "a.jpg"} for image in images], kind)


@pytest.mark.parametrize(
    "cells",
    [
        IMAGES,
        structs([*IMAGES]),
        pa.array(IMAGES, pa.large_binary()),
        pa.array(IMAGES, pa.binary()).dictionary_encode(),
    ],
    ids=["binary", "struct", "large_binary", "dictionary"],
)
def test_reads_images_and_captions(place: Place, cells: Any) -> None:
    members = read(place, parquet(row_group=7, image=cells, caption=CAPTIONS))
    assert [(m.key, m.image, m.caption) for m in members] == [
        (f"{i:08d}", IMAGES[i], CAPTIONS[i]) for i in range(20)
    ]


def test_other_columns_become_json_and_binary_ones_are_left_out(local: Place) -> None:
    (member,) = read(
        local,
        parquet(
            img=IMAGES[:1],
            text=["a red mug"],
            id=[17],
            thumb=structs([*IMAGES[:1]]),
            blob=[b"x"],
            when=[datetime.datetime(2026, 1, 2)],
            price=[decimal.Decimal("1.50")],
            nan=[float("nan")],
            tags=[["a", None]],
            none=pa.nulls(1),
        ),
        image="img",
        caption="text",
        key="id",
    )
    assert (member.key, member.caption) == ("17", "a red mug")
    assert member.columns == {
        "text": "a red mug",
        "id": 17,
        "when": "2026-01-02T00:00:00",
        "price": "1.50",
        "nan": None,
        "tags": ["a", None],
        "none": None,
    }


def test_bad_cells_fail_their_rows_alone(local: Place) -> None:
    images = [IMAGES[0], None, b"x" * 5000, IMAGES[3]]
    members = read(local, parquet(image=structs(images), caption=CAPTIONS[:4]), max_bytes=4000)
    assert kinds(members) == [None, "no_image", "too_large", None]
    assert members[2].image is None
    members = read(local, parquet(image=IMAGES[:2], caption=[True, False]))
    assert kinds(members) == ["wrong_type"] * 2


def test_no_caption_column_where_the_config_says_so(local: Place) -> None:
    (member,) = read(local, parquet(image=IMAGES[:1]), caption=None)
    assert member.caption is None and member.error is None


@pytest.mark.parametrize(
    ("columns", "kind", "told"),
    [
        ({"img": IMAGES, "caption": CAPTIONS}, "missing_column", "'image'; its columns: img, capt"),
        ({"image": IMAGES, "text": CAPTIONS}, "missing_column", "'caption'; its columns: image, t"),
        ({"image": CAPTIONS, "caption": CAPTIONS}, "wrong_type", "'image' is string"),
    ],
)
def test_a_shard_of_other_columns_is_one_dead_letter(
    local: Place, columns: dict[str, Any], kind: str, told: str
) -> None:
    (member,) = read(local, parquet(**columns))
    assert member.error and member.error.kind == kind and told in member.error.message


def test_damaged_files(local: Place) -> None:
    data = parquet(row_group=4, image=IMAGES, caption=CAPTIONS)
    assert kinds(read(local, b"")) == ["unreadable_shard"]
    assert kinds(read(local, b"PAR1" + b"garbage" * 100 + b"PAR1")) == ["unreadable_shard"]
    assert kinds(read(local, data[:-200])) == ["unreadable_shard"]
    assert kinds(read(local, data[:-40] + b"\xff" * 32 + data[-8:])) == ["unreadable_shard"]
    assert kinds(read(local, parquet(image=IMAGES[:0], caption=CAPTIONS[:0]))) in (
        ["empty_shard"],
        ["wrong_type"],
    )
    page = data.index(IMAGES[8]) - 16  # the end of the page header in the third row group
    broken = data[:page] + b"\xff" * 12 + data[page + 12 :]
    assert kinds(read(local, broken)) == [None] * 8 + ["truncated_shard"]


def values(place: Place, **columns: Any) -> dict[str, Any]:
    (member,) = read(place, parquet(image=IMAGES[:1], caption=CAPTIONS[:1], **columns))
    assert member.error is None and member.columns.pop("caption") == CAPTIONS[0]
    return member.columns


def days(number: int) -> pa.Array:
    return pa.array([number], pa.int32()).view(pa.date32())


def at(number: int, kind: pa.DataType) -> pa.Array:
    return pa.array([number], pa.int64()).view(kind)


def test_what_python_cannot_hold_becomes_text(local: Place) -> None:
    no_utf8 = layouts.no_utf8()
    assert values(
        local,
        early=days(-800_000),
        late=days(10_000_000),
        second=at(-(10**15), pa.timestamp("ms")),
        zone=at(1_700_000_000_000_000, pa.timestamp("us", tz="Mars/Olympus")),
        long=at(2**62, pa.duration("ms")),
        struct=pa.StructArray.from_arrays([days(-800_000), days(1)], ["d", "e"]),
        list=pa.ListArray.from_arrays([0, 1], days(-800_000)),
        latin1=no_utf8,
        nested=pa.ListArray.from_arrays([0, 1], no_utf8),
        big=pa.array([2**64 - 1], pa.uint64()),
    ) == {
        "early": "-0221-09-04",
        "late": "29349-01-26",
        "second": "-29719-04-05 22:13:20.000",
        "zone": "1700000000000000",
        "long": "4611686018427387904",
        "struct": {"d": "-0221-09-04", "e": "1970-01-02"},
        "list": ["-0221-09-04"],
        "latin1": "caf\\xe9",
        "nested": ["caf\\xe9"],
        "big": 2**64 - 1,
    }


def test_an_odd_value_is_its_row_s_alone(local: Place) -> None:
    when = pa.array([0, -800_000, None, 1], pa.int32()).view(pa.date32())
    members = read(local, parquet(image=IMAGES[:4], caption=CAPTIONS[:4], when=when))
    told = ["1970-01-01", "-0221-09-04", None, "1970-01-02"]
    assert [member.columns["when"] for member in members] == told


def test_columns_of_one_name(local: Place) -> None:
    def made(names: list[str], *cells: Any) -> bytes:
        return layouts.columns(names, *[[cell] for cell in cells])()

    good = made(["x", "image", "x", "caption", "x~2"], 1, IMAGES[0], b"\xff", "a mug", 3)
    (member,) = read(local, good)
    assert member.columns == {"x": 1, "caption": "a mug", "x~2": 3}
    for name in ("image", "caption"):
        (member,) = read(local, made(["image", "caption", name], IMAGES[0], "a", "b"))
        assert member.error and member.error.message == (
            f"2 columns are named {name!r}; rename them, or set input.{name}"
        )


def test_keys_of_every_kind(local: Place) -> None:
    def keys(cells: Any) -> list[tuple[str, str | None]]:
        count = len(cells)
        data = parquet(image=IMAGES[:count], caption=CAPTIONS[:count], id=cells)
        return [(m.key, m.error and m.error.kind) for m in read(local, data, key="id")]

    assert keys([1.5, None, float("nan")]) == [("1.5", None), ("00000001", None), ("nan", None)]
    assert keys([b"a", b"\xff", b""]) == [("a", None), ("\\xff", None), ("00000002", None)]
    assert keys(["x\n", "y"]) == [("x\\n", None), ("y", None)]


def test_each_caption_is_a_row(local: Place) -> None:
    cells = [["a red mug", " ", None, "a cup"], ["x"], []]
    members = read(local, parquet(image=IMAGES[:3], caption=cells, id=["p", "q", "r"]), key="id")
    assert [(m.key, m.caption, m.image) for m in members] == [
        ("p", "a red mug", IMAGES[0]),
        ("p#2", "a cup", IMAGES[0]),
        ("q", "x", IMAGES[1]),
        ("r", None, IMAGES[2]),
    ]
    assert [m.share for m in members] == [1 / 3, 1 / 3, 2 / 3, 1.0]


def test_partitions_are_columns(local: Place) -> None:
    local.put("label=a%20cat/n=__HIVE_DEFAULT_PARTITION__/0.parquet", parquet(image=IMAGES[:1]))
    source = build(Config(path=local.path, caption="label"))
    (member,) = source.members(source.listing().shards[0])
    assert (member.caption, member.columns) == ("a cat", {"label": "a cat", "n": None})


def test_a_column_that_cannot_be_read_is_left_out(local: Place) -> None:
    local.put("a.parquet", layouts.unneeded_page())
    source = build(Config(path=local.path))
    (member,) = source.members(source.listing().shards[0])
    assert member.error is None and "notes" not in member.columns
