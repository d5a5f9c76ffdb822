"""The output opens with the tools that people have: each test is what a user would type."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from PIL import Image

from pipeline.sinks.output import Output
from pipeline.sinks.part import write_part
from tests.sinks.tables import chunk_table, made, run_config


@pytest.fixture(scope="module")
def output(tmp_path_factory: pytest.TempPathFactory) -> Output:
    output = made(run_config(str(tmp_path_factory.mktemp("readers") / "out")))
    for chunk in range(2):
        write_part(output, chunk_table("shop/00.tar", chunk, last=chunk == 1))
    return output


def test_hugging_face_datasets(
    output: Output, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    import datasets

    opened = datasets.load_dataset(
        "parquet",
        data_files=f"{output.root}/edits/*.parquet",
        split="train",
        cache_dir=str(tmp_path),
    )
    assert len(opened) == 6
    for name in ("source", "edited", "mask"):
        assert isinstance(opened.features[name], datasets.Image)
        assert isinstance(opened[0][name], Image.Image)
    assert opened[0]["mask"].mode == "L" and opened[0]["edit"] == "blue"


def test_webdataset(output: Output) -> None:
    import webdataset

    shards = sorted(str(path) for path in Path(output.root, "webdataset").glob("*.tar"))
    samples = list(webdataset.WebDataset(shards, shardshuffle=False).decode("pil"))
    assert len(samples) == 6
    assert samples[0]["source.jpg"].size == samples[0]["png"].size == (8, 8)


def test_duckdb(output: Output) -> None:
    import duckdb

    query = f"select edit, count(*) from '{output.root}/edits/*.parquet' group by 1 order by 1"
    assert duckdb.sql(query).fetchall() == [("blue", 4), ("green", 2)]
    dead = f"select error_kind, count(*) from '{output.root}/dead/*.parquet' group by 1 order by 1"
    assert duckdb.sql(dead).fetchall() == [("nan", 2), ("undecodable", 2)]


def test_pandas(output: Output) -> None:
    import pandas

    frame = pandas.read_parquet(f"{output.root}/edits")
    assert len(frame) == 6 and frame["id"].is_unique
    assert frame["edited"][0]["bytes"].startswith(b"\x89PNG")


def test_plain_tar(output: Output) -> None:
    shard = next(Path(output.root, "webdataset").glob("*-00000-*.tar"))
    listed = subprocess.run(["tar", "-tf", shard], capture_output=True, text=True, check=True)
    names = listed.stdout.splitlines()
    assert len(names) == 15
