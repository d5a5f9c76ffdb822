"""Parquet shards: cell types, other columns, and damaged files."""

from __future__ import annotations

import datetime
import decimal
from typing import Any

import pyarrow as pa
import pytest

from pipeline.sources._shard import Member
from pipeline.sources.parquet import Config, build
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
