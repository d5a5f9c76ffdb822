"""Outputs with different scores, united as docs/output.md says."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.dataset as pads
import pyarrow.parquet as pq
import pytest

from tests.readers.nasty import Made

NAMES = ("texture_kept", "background_psnr")


def count(one: Made, two: Made) -> tuple[int, int, int]:
    """(rows, rows without texture_kept, rows without background_psnr) of the union."""
    return len(one.edits) + len(two.edits), len(one.edits), len(two.edits)


def test_pyarrow(one: Made, two: Made) -> None:
    sets = [pads.dataset(made.path / "edits") for made in (one, two)]
    schema = pa.unify_schemas([each.schema for each in sets])
    union = pads.dataset(sets, schema=schema).to_table()
    found = (len(union), *(union[f"score_{n}"].null_count for n in NAMES))
    assert found == count(one, two)


def test_pandas(one: Made, two: Made) -> None:
    import pandas

    union = pandas.concat([pandas.read_parquet(made.path / "edits") for made in (one, two)])
    found = (len(union), *(int(union[f"score_{n}"].isna().sum()) for n in NAMES))
    assert found == count(one, two) and union["id"].is_unique


def test_duckdb(one: Made, two: Made) -> None:
    import duckdb

    folders = [f"{made.path}/edits/*.parquet" for made in (one, two)]
    query = (
        "select count(*), count(*) - count(score_texture_kept), "
        f"count(*) - count(score_background_psnr) from read_parquet({folders}, union_by_name=true)"
    )
    assert duckdb.sql(query).fetchall() == [count(one, two)]


def test_polars(one: Made, two: Made) -> None:
    import polars

    frames = [polars.scan_parquet(made.path / "edits" / "*.parquet") for made in (one, two)]
    union = polars.concat(frames, how="diagonal").collect()
    found = (len(union), *(union[f"score_{n}"].null_count() for n in NAMES))
    assert found == count(one, two)


def test_hugging_face_datasets(
    one: Made, two: Made, tmp_path: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    import datasets

    parts = [
        datasets.load_dataset(str(made.path), split="train", cache_dir=str(tmp_path))
        for made in (one, two)
    ]
    union = datasets.concatenate_datasets(parts)
    found = (len(union), *(union[f"score_{n}"][:].count(None) for n in NAMES))
    assert found == count(one, two)
    assert isinstance(union.features["edited"], datasets.Image)


def test_ids_tell_the_runs_apart(one: Made, two: Made) -> None:
    tables = [pq.read_table(made.path / "edits", columns=["id", "input"]) for made in (one, two)]
    ids = [set(table["id"].to_pylist()) for table in tables]
    assert not ids[0] & ids[1]
    assert [set(table["input"].to_pylist()) for table in tables] == [{"first/in"}, {"second/in"}]
