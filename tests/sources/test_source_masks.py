"""input.mask and input.protect, as each source has them."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from pyroaring import BitMap

from pipeline.config import variants
from pipeline.errors import UsageError
from pipeline.section import build
from pipeline.sources._chunks import chunks, require_columns
from pipeline.sources._filling import Filling
from pipeline.sources._shard import Member
from tests.sources.conftest import Place
from tests.sources.make import parquet, photo, tar

PICTURE, MASK, LOGO = photo(1), photo(2, format="PNG"), photo(3, format="PNG")
NAMES = {
    "webdataset": ("mask.png", "logo.png"),
    "parquet": ("region", "logo"),
    "folder": (".mask.png", ".logo.png"),
}
KINDS = list(NAMES)


def put(place: Place, kind: str, *rows: tuple[bytes | None, bytes | None]) -> None:
    """A shard of a picture a row, with its mask and what is protected."""
    if kind == "parquet":
        masks = {
            name: pa.array([row[i] for row in rows], pa.binary())
            for i, name in enumerate(NAMES[kind])
        }
        columns = {"image": [PICTURE] * len(rows), "caption": ["a mug"] * len(rows)}
        return place.put("a.parquet", parquet(**columns, **masks))
    files = []
    for number, row in enumerate(rows):
        files += [(f"{number}.jpg", PICTURE), (f"{number}.txt", b"a mug")]
        endings = [name if name[0] == "." else f".{name}" for name in NAMES[kind]]
        files += [
            (f"{number}{e}", data) for e, data in zip(endings, row, strict=True) if data is not None
        ]
    if kind == "webdataset":
        return place.put("a.tar", tar(files))
    for name, data in files:
        place.put(name, data)
    return None


def source(place: Place, kind: str, **more: Any) -> Any:
    named = dict(zip(("mask", "protect"), NAMES[kind], strict=True))
    settings = {**place.settings, **named, **more}
    return build(variants("sources")[kind](**settings))


def read(found: Any) -> list[Member]:
    (shard,) = found.listing().shards
    return list(found.members(shard))


@pytest.mark.parametrize("kind", KINDS)
def test_both_are_read_and_travel_to_the_chunk(place: Place, kind: str) -> None:
    put(place, kind, (MASK, LOGO), (MASK, LOGO))
    found = source(place, kind)
    members = read(found)
    assert [(m.image, m.mask, m.protect, m.caption, m.error) for m in members] == [
        (PICTURE, MASK, LOGO, "a mug", None)
    ] * 2
    (shard,) = found.listing().shards
    (table,) = chunks(found, shard, Filling(8, None), BitMap())
    assert table["input_mask"].to_pylist() == [MASK] * 2
    assert table["input_protect"].to_pylist() == [LOGO] * 2
    assert MASK.hex() not in str(table["columns"].to_pylist())


@pytest.mark.parametrize("kind", KINDS)
def test_a_row_without_a_mask_has_none(place: Place, kind: str) -> None:
    put(place, kind, (None, LOGO), (MASK, LOGO))
    assert [m.mask for m in read(source(place, kind))] == [None, MASK]


@pytest.mark.parametrize("kind", ["webdataset", "folder"])
def test_a_file_that_should_protect_and_is_not_there_is_told(place: Place, kind: str) -> None:
    put(place, kind, (MASK, None), (MASK, LOGO))
    lost, kept = read(source(place, kind))
    assert lost.error is not None and lost.error.kind == "no_protection"
    assert "input.protect" in lost.error.message and kept.error is None


@pytest.mark.parametrize("kind", KINDS)
def test_a_mask_is_as_large_as_an_image_may_be(place: Place, kind: str) -> None:
    put(place, kind, (bytes(5000), LOGO))
    (member,) = read(source(place, kind, max_bytes=4000))
    assert member.error is not None and member.error.kind == "too_large"


@pytest.mark.parametrize("option", ["mask", "protect"])
def test_a_column_that_is_not_there_is_refused(place: Place, option: str) -> None:
    put(place, "parquet", (MASK, LOGO))
    found = source(place, "parquet", **{option: "no_such"})
    with pytest.raises(UsageError, match=f"no_such.*input.{option}"):
        require_columns(found, found.listing().shards, [])


def test_a_table_may_name_the_files(place: Place) -> None:
    table = b'{"file_name": "a.jpg", "caption": "a mug", "m": "m1.png", "p": "p1.png"}\n'
    table += b'{"file_name": "b.jpg", "caption": "a cup", "m": "gone.png", "p": "p1.png"}\n'
    for name, data in (("a.jpg", PICTURE), ("b.jpg", PICTURE), ("m1.png", MASK), ("p1.png", LOGO)):
        place.put(name, data)
    place.put("metadata.jsonl", table)
    first, second = read(source(place, "folder", mask="m", protect="p"))
    assert (first.key, first.mask, first.protect) == ("a.jpg", MASK, LOGO)
    assert second.error is not None and second.error.kind == "no_mask"
    assert "gone.png" in second.error.message


def test_a_mask_without_its_picture_is_passed_over(place: Place) -> None:
    put(place, "folder", (MASK, LOGO))
    place.put("other.mask.png", MASK)
    listing = source(place, "folder").listing()
    assert sum(listing.passed.endings["a caption, .json or mask without a picture of its name"]
               .values()) == 1  # fmt: skip
    assert [shard.rows for shard in listing.shards] == [1]
