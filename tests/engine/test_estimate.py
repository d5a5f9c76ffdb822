"""What `plan` tells is true: exact where everything was looked at, else marked and near."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pyroaring import BitMap
from rich.console import Console

from pipeline.config import RunConfig
from pipeline.engine.estimate import estimate, expected
from pipeline.engine.looks import guessed
from pipeline.engine.outlook import outlook
from pipeline.progress import plan_table
from pipeline.section import build
from pipeline.sinks.output import open_output
from tests.datasets import settings
from tests.sources.make import parquet, tar

SMALL = b"a small picture"
SIZES = np.random.default_rng(0).integers(4000, 12_000, 100_000)


def picture(number: int) -> bytes:
    """Bytes of 4 to 12 kB that do not compress; nothing is decoded here."""
    return np.random.default_rng(number).bytes(int(SIZES[number]))


def files(kind: str, rows: int, start: int = 0, small: bool = False) -> dict[str, bytes]:
    """A shard of `rows` rows, by file name."""
    data = [SMALL if small else picture(start + i) for i in range(rows)]
    if kind == "folder":
        return {
            f"{start:06d}/{i:06d}{ending}": content
            for i, image in enumerate(data)
            for ending, content in ((".jpg", image), (".txt", b"a red mug"))
        }
    if kind == "parquet":
        columns = {"image": data, "caption": ["a red mug"] * rows}
        return {f"{start:06d}.parquet": parquet(row_group=100, **columns)}
    members = [
        (f"{i:06d}{ending}", content)
        for i, image in enumerate(data)
        for ending, content in ((".jpg", image), (".txt", b"a red mug"))
    ]
    return {f"{start:06d}.{kind}": tar(members, gz=kind == "tar.gz")}


def config(folder: Path, kind: str, shards: dict[str, bytes], **run: Any) -> RunConfig:
    for name, data in shards.items():
        path = folder / "in" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    source = {"folder": "folder", "parquet": "parquet"}.get(kind, "webdataset")
    where = {"type": source, "path": str(folder / "in")}
    return settings(folder, folder / "out", "demo", input=where, run=run)  # type: ignore[no-any-return]


KINDS = ["tar", "tar.gz", "parquet", "folder"]


@pytest.mark.parametrize("small", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_a_shard_beyond_the_sample(tmp_path: Path, kind: str, small: bool) -> None:
    rows = 10_000 if small and kind != "folder" else 1500
    told = estimate(config(tmp_path, kind, files(kind, rows, small=small)))
    assert abs(told.rows - rows) <= 0.2 * rows
    assert told.edits == told.rows
    if not told.exact:
        assert dict(told.facts())["rows"] == f"about {told.rows:,}"


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_looked_at_whole_is_exact(tmp_path: Path, kind: str) -> None:
    told = estimate(config(tmp_path, kind, files(kind, 20) | files(kind, 10, 500)))
    assert (told.rows, told.exact, dict(told.facts())["rows"]) == (30, True, "30")


@pytest.mark.parametrize("kind", KINDS)
def test_many_shards_of_equal_rows(tmp_path: Path, kind: str) -> None:
    shards: dict[str, bytes] = {}
    for start in range(0, 2400, 120):
        shards |= files(kind, 120, start)
    made = config(tmp_path, kind, shards)
    told = estimate(made)
    assert told.shards == 20 and not told.exact
    assert abs(told.rows - 2400) <= 0.2 * 2400
    source = build(made.input)
    left = outlook(made, source, source.listing(), open_output(made)).left.todo
    assert expected(source, left, made).rows == told.rows


@pytest.mark.parametrize("kind", KINDS)
def test_a_limit(tmp_path: Path, kind: str) -> None:
    shards: dict[str, bytes] = {}
    for start in range(0, 1200, 100):
        shards |= files(kind, 100, start)
    assert estimate(config(tmp_path, kind, shards, limit=3)).rows == 36
    assert estimate(config(tmp_path, kind, {}, limit=90)).rows == pytest.approx(12 * 90, rel=0.2)


def test_committed_chunks_are_not_counted(tmp_path: Path) -> None:
    made = config(tmp_path, "parquet", files("parquet", 1003), chunk_rows=100)
    source = build(made.input)
    (shard,) = source.listing().shards
    assert expected(source, [(shard, BitMap([0, 1, 2]))], made).rows == 703
    assert expected(source, [(shard, BitMap([10]))], made).rows == 1000  # the last one holds 3


def test_committed_chunks_of_a_number_of_bytes_are_not_counted(tmp_path: Path) -> None:
    shards = files("parquet", 300, small=True)
    made = config(tmp_path, "parquet", shards, chunk_rows=100, chunk_bytes=10 * len(SMALL))
    source = build(made.input)
    (shard,) = source.listing().shards
    assert expected(source, [(shard, BitMap([0, 1, 2]))], made).rows == 270


def test_shards_of_unequal_rows_go_by_their_bytes() -> None:
    guess = guessed([(100, 10_000), (10, 1_000), (50, 5_100)])
    assert guess(20_000) == pytest.approx(200, rel=0.05)
    guess = guessed([(100, 10_000), (100, 5_000), (100, 7_000)])
    assert guess(20_000) == 100


def test_a_config_that_gives_photos_too_few_cpus_is_told(tmp_path: Path) -> None:
    sink = io.BytesIO()
    Image.new("RGB", (4000, 3000)).save(sink, "JPEG")
    made = config(
        tmp_path, "tar", {"a.tar": tar([("1.jpg", sink.getvalue()), ("1.txt", b"a red mug")])}
    )
    assert (
        "cpus_per_actor=4" in estimate(made).cpus and "has 1: it would wait" in estimate(made).cpus
    )
    enough = made.model_copy(update={"run": made.run.model_copy(update={"cpus_per_actor": 4})})
    assert "(an actor has 4)" in estimate(enough).cpus


def test_what_was_passed_over_is_told(tmp_path: Path) -> None:
    shards = files("folder", 2) | {"a.HEIC": b"", "b.jpg_large": b"", "c.heic": b""}
    console = Console(record=True, width=160)
    console.print(plan_table(estimate(config(tmp_path, "folder", shards))))
    text = console.export_text()
    assert "passed over: 3 files" in text
    assert "format that is read: 2 × .heic, 1 × .jpg_large; for example a.HEIC" in text
