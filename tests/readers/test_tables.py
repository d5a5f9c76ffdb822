"""Each engine that reads Parquet reads all rows, as a user would type it, with the right values."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.dataset as pads
import pyarrow.parquet as pq
import pytest
from PIL import Image

from tests.readers.nasty import Made

Row = Mapping[str, Any]
TYPED = ("shard", "key", "edit", "caption", "columns", "encoding_ratio", "seed", "target_prompt")


def check(rows: Iterable[Row], made: Made) -> None:
    """Every edit is there once, its values and its pictures as they were written."""
    rows = list(rows)
    assert len(rows) == len(made.edits)
    for row in rows:
        wanted = made.edits[row["id"]]
        assert {name: row[name] for name in TYPED} == {name: wanted[name] for name in TYPED}
        assert bytes(row["source"]["bytes"]) == wanted["image"]
        assert bytes(row["edited"]["bytes"]) == wanted["edited"]
        assert Image.open(BytesIO(row["mask"]["bytes"])).mode == "L"


def halves(made: Made) -> int:
    """Edits of a ratio that somebody typed."""
    return sum(row["encoding_ratio"] == 0.8 for row in made.edits.values())


def test_pyarrow(side_by_side: Made) -> None:
    folder = side_by_side.path / "edits"
    check(pq.read_table(folder).to_pylist(), side_by_side)
    found = pads.dataset(folder).count_rows(filter=pads.field("encoding_ratio") == 0.8)
    assert found == halves(side_by_side)


def test_pandas(side_by_side: Made) -> None:
    import pandas

    frame = pandas.read_parquet(side_by_side.path / "edits")
    frame["caption"] = frame["caption"].astype(object).where(frame["caption"].notna(), None)
    frame["columns"] = frame["columns"].astype(object).where(frame["columns"].notna(), None)
    check(frame.to_dict("records"), side_by_side)
    assert (frame["encoding_ratio"] == 0.8).sum() == halves(side_by_side)


def test_duckdb(side_by_side: Made, tmp_path: Path) -> None:
    import duckdb

    found = duckdb.sql(f"select * from '{side_by_side.path}/edits/*.parquet'")
    check(found.to_arrow_table().to_pylist(), side_by_side)
    (row,) = duckdb.sql("select count(*) from found where encoding_ratio = 0.8").fetchall()
    assert row[0] == halves(side_by_side)
    wanted = next(iter(side_by_side.edits))
    query = f"select edited.bytes from '{side_by_side.path}/edits/*.parquet' where id = ?"
    assert len(duckdb.execute(query, [wanted]).fetchall()) == 1
    dead = f"select error_kind, count(*) from '{side_by_side.path}/dead/*.parquet' group by 1"
    assert duckdb.sql(dead).fetchall() == [("undecodable", len(side_by_side.dead))]


def test_polars(side_by_side: Made) -> None:
    import polars

    lazy = polars.scan_parquet(side_by_side.path / "edits" / "*.parquet")
    check(lazy.collect().to_dicts(), side_by_side)
    ratio = lazy.filter(polars.col("encoding_ratio") == 0.8).collect()
    assert len(ratio) == halves(side_by_side)


def test_delta(side_by_side: Made, tmp_path: Path) -> None:
    import deltalake

    rows = pads.dataset(side_by_side.path / "edits").to_table()
    deltalake.write_deltalake(str(tmp_path / "delta"), rows)
    table = deltalake.DeltaTable(str(tmp_path / "delta"))
    check(pa.table(table.to_pyarrow_table()).to_pylist(), side_by_side)


def test_iceberg_takes_the_files_as_they_are(side_by_side: Made, tmp_path: Path) -> None:
    from pyiceberg.catalog.sql import SqlCatalog

    shutil.copytree(side_by_side.path / "edits", tmp_path / "edits")
    catalog = SqlCatalog("c", uri=f"sqlite:///{tmp_path}/c.db", warehouse=f"file://{tmp_path}")
    catalog.create_namespace("n")
    schema = pads.dataset(tmp_path / "edits").schema
    table = catalog.create_table("n.edits", schema=schema)
    table.add_files([str(path) for path in (tmp_path / "edits").iterdir()])
    check(table.scan().to_arrow().to_pylist(), side_by_side)
    ratio = table.scan(row_filter="encoding_ratio == 0.8").to_arrow()
    assert len(ratio) == halves(side_by_side)


def test_lance(side_by_side: Made, tmp_path: Path) -> None:
    import lance

    rows = pads.dataset(side_by_side.path / "edits")
    lance.write_dataset(rows.scanner(batch_size=4).to_reader(), str(tmp_path / "lance"))
    there = lance.dataset(str(tmp_path / "lance"))
    check(there.to_table().to_pylist(), side_by_side)
    assert there.count_rows(filter="encoding_ratio = 0.8") == halves(side_by_side)


@pytest.mark.skipif(shutil.which("java") is None, reason="Spark needs Java")
def test_spark(side_by_side: Made, one: Made, two: Made) -> None:
    SparkSession = pytest.importorskip("pyspark.sql").SparkSession
    settings = {"spark.ui.enabled": "false", "spark.sql.shuffle.partitions": "1"}
    builder = SparkSession.builder.master("local[1]").config(map=settings)
    spark = builder.getOrCreate()
    try:
        frame = spark.read.parquet(str(side_by_side.path / "edits"))
        check([row.asDict(recursive=True) for row in frame.collect()], side_by_side)
        assert frame.filter("encoding_ratio = 0.8").count() == halves(side_by_side)
        folders = [str(made.path / "edits") for made in (one, two)]
        union = spark.read.option("mergeSchema", "true").parquet(*folders)
        assert union.filter("score_texture_kept is null").count() == len(one.edits)
        assert union.filter("score_background_psnr is null").count() == len(two.edits)
    finally:
        spark.stop()


def test_readers_may_skip_by_what_people_look_for_and_by_nothing_else(side_by_side: Made) -> None:
    for path in (side_by_side.path / "edits").glob("*-r0-*"):
        file = pq.ParquetFile(path)
        group = file.metadata.row_group(0)
        held = {group.column(i).path_in_schema: group.column(i) for i in range(group.num_columns)}
        assert all(held[name].statistics for name in ("id", "shard", "key", "edit", "mask_area"))
        for name in ("columns", "settings", "source.bytes", "edited.bytes", "mask.bytes"):
            assert held[name].statistics is None, name
            assert held[name].has_offset_index
