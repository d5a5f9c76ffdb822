"""Random odd inputs: each file is a row's, a dead letter's, or passed over with a reason."""

from __future__ import annotations

import io
import posixpath
import shutil
import unicodedata
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyroaring import BitMap

from pipeline.errors import UsageError
from pipeline.prompts import recolor
from pipeline.rows import PassedOver
from pipeline.sources import folder, parquet, webdataset
from pipeline.sources._chunks import chunks, require_columns
from pipeline.sources._filling import Filling
from tests.corpus import layouts
from tests.sources.make import photo, tar

odd = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
PICTURES = (".jpg", ".JPG", ".jfif", ".png", ".avif")
STEMS = st.sampled_from(
    [
        "a",
        "A",
        "b",
        "b.v1",
        "caf\u00e9",
        "cafe\u0301",
        "_x",
        ".h",
        "._a",
        "a b",
        "x" * 90,
        "\udce9",
    ]
)
ENDINGS = st.sampled_from([*PICTURES, ".txt", ".TXT", ".caption", ".json", ".heic", ".tar", ""])
FOLDERS = st.sampled_from(["", "", "x/", "x/y/", "z 1/", ".h/", "__MACOSX/", "k=v/"])
CONTENTS = st.sampled_from(
    [
        *(photo(), b"", b"a red mug", b"a red caf\xe9", b"{", b"\0" * 99, layouts.POINTER),
        b'{"caption": "a red mug"}',
    ]
)
NAMES = st.tuples(FOLDERS, STEMS, ENDINGS).map("".join)
LINES = st.sampled_from(
    [
        *(b'{"file_name": "%s", "caption": "a red mug"}' % name for name in (b"a.jpg", b"x/a.jpg")),
        *(
            b'{"file_name": "%s"}' % name
            for name in (b"A.JPG", b"../a.jpg", b"/a.jpg", b"no/b.jpg")
        ),
        *(b"{", b"[]", b'{"caption": 1}', b"", b'{"file_name": "a.jpg", "caption": ["x", "y"]}'),
    ]
)
TABLES = st.lists(LINES, max_size=6).map(b"\n".join)


def read(source: Any) -> tuple[list[dict[str, Any]], PassedOver]:
    """Every row as the pipeline gets it, and what was passed over on the way."""
    listing = source.listing()
    require_columns(source, listing.shards, [])
    passed, rows = PassedOver().merge(listing.passed), []
    for shard in listing.shards:
        numbers: list[int] = []
        for table in chunks(source, shard, Filling(3, None), BitMap()):
            passed.merge(PassedOver.of(table))
            rows += table.to_pylist()
            numbers += table["ordinal"].to_pylist()
        assert numbers == list(range(len(numbers))) and numbers
    check(rows, passed)
    return rows, passed


def check(rows: list[dict[str, Any]], passed: PassedOver) -> None:
    names = [(row["shard"], row["key"]) for row in rows]
    assert len(set(names)) == len(names)
    rule = recolor.build(recolor.Config(colours=("blue",)))
    for row in rows:
        assert (row["error_kind"] is None) == (row["error_message"] is None)
        assert row["error_kind"] != "internal"
        if not row["error_kind"]:
            assert row["image"] is not None
            assert rule.columns() == []
    assert all(passed.endings) and set(passed.endings) == set(passed.examples)
    "\n".join(passed.lines()).encode()


def put(root: Path, files: dict[str, bytes]) -> None:
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir()
    for name, data in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def told(name: str) -> str:
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def same(name: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def hidden(path: str) -> bool:
    return any(part.startswith(".") or part == "__MACOSX" for part in path.split("/"))


def said(path: str, pictures: set[str], tables: list[str]) -> bool:
    """Whether a file says something of a picture."""
    if posixpath.basename(path) == "metadata.jsonl":
        place = posixpath.dirname(path)
        return any(p.startswith(f"{place}/" if place else "") for p in pictures)
    stem, ending = posixpath.splitext(path)
    here = {p for p in pictures if posixpath.dirname(p) == posixpath.dirname(path)}
    stems = {same(n) for p in here for n in (p, posixpath.splitext(p)[0])}
    return ending.lower() in (".txt", ".caption", ".json") and same(stem) in stems


@odd
@given(
    files=st.dictionaries(NAMES, CONTENTS, min_size=1, max_size=14),
    tables=st.dictionaries(FOLDERS.map(lambda f: f"{f}metadata.jsonl"), TABLES, max_size=2),
)
def test_folders(tmp_path: Path, files: dict[str, bytes], tables: dict[str, bytes]) -> None:
    files = {name: data for name, data in files.items() if posixpath.basename(name)}
    put(tmp_path / "in", files | tables)
    every = {*files, *tables}
    pictures = {
        p for p in every if not hidden(p) and p.lower().endswith(tuple(map(str.lower, PICTURES)))
    }
    source = folder.build(folder.Config(path=str(tmp_path / "in")))
    if not pictures:
        with pytest.raises(UsageError):
            source.listing()
        return
    rows, passed = read(source)
    used = {p for p in every if not hidden(p) and said(p, pictures, [*tables])}
    assert passed.files == len(every - pictures - used)
    keys = Counter((row["shard"], row["key"].partition("#")[0]) for row in rows)
    for path in pictures:
        place, name = posixpath.split(path)
        assert keys[(told(place) or ".", told(name))], f"{path} is gone"
    lines = [line for table in tables for line in table_lines(tables[table], table, used)]
    assert len(rows) >= max(len(pictures), len(lines))


def table_lines(data: bytes, name: str, used: set[str]) -> Iterator[bytes]:
    if name in used:
        yield from (line for line in data.split(b"\n") if line.strip())


@odd
@given(
    members=st.lists(st.tuples(NAMES, CONTENTS), max_size=14),
    gz=st.booleans(),
    cut=st.none() | st.integers(1, 4000),
    others=st.dictionaries(st.sampled_from(["b.zip", "c", ".d.tar", "e.parquet"]), CONTENTS),
)
def test_tars(
    tmp_path: Path,
    members: list[tuple[str, bytes]],
    gz: bool,
    cut: int | None,
    others: dict[str, bytes],
) -> None:
    members = [(name, data) for name, data in members if posixpath.basename(name)]
    whole = tar(members, gz=gz)
    put(tmp_path / "in", {"a.tar": whole[:cut] if cut else whole, **others})
    rows, passed = read(webdataset.build(webdataset.Config(path=str(tmp_path / "in"))))
    if cut and cut < len(whole):
        assert passed.files >= len(others)
        return
    outside = [name for name, _ in members if not in_sample(name)]
    assert passed.files == len(others) + len(outside)
    keys = {row["key"].partition("#")[0].partition("~")[0] for row in rows}
    for name, _ in members:
        if in_sample(name):
            place, base = posixpath.split(name)
            key = told(posixpath.join(place, base.partition(".")[0]))
            forms = {unicodedata.normalize(form, key) for form in ("NFC", "NFD")} | {key}
            assert forms & keys, f"{name} is gone"
    assert rows and (in_any(members) or [row["error_kind"] for row in rows] == ["empty_shard"])


def in_sample(name: str) -> bool:
    base = posixpath.basename(name)
    ends = base.partition(".")[2]
    return bool(ends) and not base.startswith(".") and "__MACOSX" not in name.split("/")


def in_any(members: list[tuple[str, bytes]]) -> bool:
    return any(in_sample(name) for name, _ in members)


MADE = [
    (made, len(outcomes))
    for name, _, made, outcomes in layouts.PARQUETS
    if name not in ("two-images",)
]


@odd
@given(
    shards=st.lists(st.sampled_from(MADE), min_size=1, max_size=4),
    places=st.lists(st.sampled_from(["", "k=a/", "_temporary/", "_k=1/", ".x/"]), min_size=4),
    cut=st.none() | st.integers(0, 3000),
)
def test_parquets(tmp_path: Path, shards: list[Any], places: list[str], cut: int | None) -> None:
    files = {f"{places[i]}{i}.parquet": made() for i, (made, _) in enumerate(shards)}
    if cut is not None:
        files["cut.parquet"] = layouts.TEXT.encode() * 20 + next(iter(files.values()))[:cut]
    put(tmp_path / "in", files)
    hiding = sum(name.startswith(("_temporary", ".")) for name in files)
    source = parquet.build(parquet.Config(path=str(tmp_path / "in")))
    try:
        rows, passed = read(source)
    except UsageError as error:  # no shard at all, or none with the columns
        assert "\n" not in str(error)
        return
    expected = {f"{places[i]}{i}.parquet": count for i, (_, count) in enumerate(shards)}
    expected |= {"cut.parquet": 1} if cut is not None else {}
    found = Counter(row["shard"] for row in rows)
    assert passed.files == hiding
    assert found == {n: c for n, c in expected.items() if not n.startswith(("_temporary", "."))}


ARROW = st.sampled_from(
    [
        (pa.date32(), pa.int32()),
        (pa.date64(), pa.int64()),
        *((pa.timestamp(unit), pa.int64()) for unit in ("s", "ms", "us", "ns")),
        *(
            (pa.timestamp("us", tz=zone), pa.int64())
            for zone in ("UTC", "Europe/Paris", "No/Where")
        ),
        *((pa.duration(unit), pa.int64()) for unit in ("s", "ns")),
        (pa.time64("us"), pa.int64()),
        (pa.float64(), pa.int64()),
        (pa.uint64(), pa.int64()),
        (pa.float32(), pa.int32()),
    ]
)


@odd
@given(kind=ARROW, bits=st.integers(-(2**63), 2**63 - 1), shape=st.sampled_from("plsd"))
def test_any_value_of_a_column_that_is_not_needed(
    tmp_path: Path, kind: Any, bits: int, shape: str
) -> None:
    to, raw = kind
    value = bits if raw == pa.int64() else (bits + 2**31) % 2**32 - 2**31
    array = pa.array([value], raw).view(to)
    shapes = {
        "p": lambda: array,
        "l": lambda: pa.ListArray.from_arrays([0, 1], array),
        "s": lambda: pa.StructArray.from_arrays([array], ["v"]),
        "d": lambda: array.dictionary_encode(),
    }
    out = io.BytesIO()
    table = pa.table({"image": [photo()], "caption": ["a red mug"], "odd": shapes[shape]()})
    try:
        pq.write_table(table, out)
    except (pa.ArrowException, OSError):
        return  # what Arrow does not write
    put(tmp_path / "in", {"a.parquet": out.getvalue()})
    rows, _ = read(parquet.build(parquet.Config(path=str(tmp_path / "in"))))
    assert [(row["error_kind"], row["caption"]) for row in rows] == [(None, "a red mug")]
    assert '"odd": ' in rows[0]["columns"]
