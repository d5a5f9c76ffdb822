"""Chunks: whole, numbered, resumable at any of them, and retried where the storage fails."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pytest
from fsspec.implementations.local import LocalFileOpener
from hypothesis import given, settings
from hypothesis import strategies as st
from pyroaring import BitMap

from pipeline.errors import RowError, RunError
from pipeline.rows import READ_SCHEMA, Chunk
from pipeline.sources import _files, parquet, webdataset
from pipeline.sources._chunks import chunks
from pipeline.sources._filling import Filling
from pipeline.sources._shard import Member, Shard
from tests.sources.conftest import Place
from tests.sources.make import parquet as parquet_file
from tests.sources.make import photo, samples, tar

SHARD = Shard("a.tar", "/a.tar", 1, "v1")


@dataclass
class Fixed:
    """A source of given members."""

    count: int
    keys: list[str] | None = None
    sizes: tuple[int, ...] = (1,)  # of images, in units of 5 bytes

    def shards(self) -> list[Shard]:
        return [SHARD]

    def members(self, shard: Shard) -> Iterator[Member]:
        for i in range(self.count):
            key = self.keys[i] if self.keys else f"k{i}"
            image = b"image" * self.sizes[i % len(self.sizes)]
            yield Member(i, key, image, f"caption {i}", {"n": i})


@settings(deadline=None)
@given(
    count=st.integers(1, 40),
    chunk_rows=st.integers(1, 12),
    done=st.sets(st.integers(0, 40)),
    limit=st.none() | st.integers(1, 50),
    chunk_bytes=st.none() | st.integers(1, 100),
    sizes=st.lists(st.integers(0, 12), min_size=1),
)
def test_what_is_left_is_the_whole_less_the_done(
    count: int,
    chunk_rows: int,
    done: set[int],
    limit: int | None,
    chunk_bytes: int | None,
    sizes: list[int],
) -> None:
    def made(done: set[int]) -> list[pa.Table]:
        source = Fixed(count, sizes=tuple(sizes))
        return list(chunks(source, SHARD, Filling(chunk_rows, chunk_bytes), BitMap(done), limit))

    whole = made(set())
    rows = min(count, limit or count)
    assert [n for t in whole for n in t["ordinal"].to_pylist()] == list(range(rows))
    held = [[len(image) for image in t["image"].to_pylist()] for t in whole]
    for chunk, after in zip(held, [*held[1:], []], strict=True):
        fits = chunk_bytes is None or sum(chunk) <= chunk_bytes
        assert 0 < len(chunk) <= chunk_rows and (fits or len(chunk) == 1)
        more = chunk_bytes is not None and sum([*chunk, *after[:1]]) > chunk_bytes
        assert not after or len(chunk) == chunk_rows or more  # it ends where it must, no earlier
    assert [Chunk.of(t).index for t in whole] == list(range(len(whole)))
    assert [Chunk.of(t).last for t in whole] == [False] * (len(whole) - 1) + [True]
    assert made(done) == [t for t in whole if Chunk.of(t).index not in done]


def test_a_table_has_the_readers_schema() -> None:
    (table,) = chunks(Fixed(2), SHARD, Filling(8, None), BitMap())
    assert table.schema == READ_SCHEMA
    assert table.to_pylist()[1] == {
        "shard": "a.tar",
        "shard_version": "v1",
        "chunk": 0,
        "last": True,
        "ordinal": 1,
        "key": "k1",
        "image": b"image",
        "input_mask": None,
        "input_protect": None,
        "caption": "caption 1",
        "columns": '{"n": 1}',
        "error_stage": None,
        "error_kind": None,
        "error_message": None,
    }


def test_repeated_keys_are_told_and_made_unique() -> None:
    source = Fixed(5, keys=["a", "b", "a", "a~2", "a"])
    tables = list(chunks(source, SHARD, Filling(2, None), BitMap()))
    rows = [row for table in tables for row in table.to_pylist()]
    assert [row["error_kind"] for row in rows] == [None, None] + ["repeated_key"] * 3
    assert [row["key"] for row in rows] == ["a", "b", "a~2", "a~2~3", "a~4"]
    assert {row["error_stage"] for row in rows[2:]} == {"read"}
    assert rows == [
        row
        for done in (BitMap([1, 2]), BitMap([0]))  # the same told when chunk 0 is not built
        for table in chunks(source, SHARD, Filling(2, None), done)
        for row in table.to_pylist()
    ]


@pytest.fixture
def no_wait(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    waits: list[float] = []
    monkeypatch.setattr(_files.time, "sleep", waits.append)
    return waits


def test_a_storage_that_fails_for_good(
    local: Place, no_wait: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    local.put("a.tar", tar(samples(3)))
    source = webdataset.build(webdataset.Config(path=local.path))
    fail_reads(monkeypatch, every=1)
    with pytest.raises(RunError, match=r"cannot read shard a\.tar: .*reset by peer"):
        list(chunks(source, source.listing().shards[0], Filling(4, None), BitMap()))
    assert len(no_wait) == 4


@pytest.mark.parametrize("kind", ["tar", "tar.gz", "parquet"])
def test_a_failing_read_is_not_taken_for_bad_content(
    local: Place, kind: str, no_wait: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    local.put(f"a.{kind}", shard_of(kind))
    module: Any = parquet if kind == "parquet" else webdataset
    source = module.build(module.Config(path=local.path))
    (shard,) = source.listing().shards
    whole = list(chunks(source, shard, Filling(5, None), BitMap()))
    assert sum(map(len, whole)) == 300 and not any(
        e for t in whole for e in t["error_kind"].to_pylist()
    )
    fail_reads(monkeypatch, every=3)
    assert list(chunks(source, shard, Filling(5, None), BitMap())) == whole
    assert no_wait


def shard_of(kind: str) -> bytes:
    if kind == "parquet":
        images, captions = [photo(i) for i in range(300)], ["a mug"] * 300
        return parquet_file(row_group=100, image=images, caption=captions)
    return tar(samples(300), gz=kind == "tar.gz")


def fail_reads(monkeypatch: pytest.MonkeyPatch, every: int) -> None:
    real, calls = LocalFileOpener.read, iter(range(10**9))

    def read(self: LocalFileOpener, *args: Any) -> bytes:
        if next(calls) % every == every - 1:
            raise ConnectionResetError("reset by peer")
        return real(self, *args)  # type: ignore[no-any-return]

    monkeypatch.setattr(LocalFileOpener, "read", read)


def test_a_shard_that_is_gone_stops_the_run_at_once(local: Place, no_wait: list[float]) -> None:
    source = webdataset.build(webdataset.Config(path=local.path))
    shard = Shard("gone.tar", f"{local.path}/gone.tar", 1, "v")
    with pytest.raises(RunError, match=r"gone\.tar: No such file"):
        list(chunks(source, shard, Filling(4, None), BitMap()))
    assert not no_wait


def test_dead_members_keep_their_bytes() -> None:
    class Dead(Fixed):
        def members(self, shard: Shard) -> Iterator[Member]:
            yield Member(0, "a", b"bytes", None, error=RowError("not_utf8", "why"))

    (table,) = chunks(Dead(1), SHARD, Filling(4, None), BitMap())
    row = table.to_pylist()[0]
    assert (row["image"], row["error_kind"], row["error_message"]) == (b"bytes", "not_utf8", "why")
    assert isinstance(table, pa.Table)
