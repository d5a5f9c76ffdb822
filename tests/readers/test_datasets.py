"""The folder is a dataset of two configs for Hugging Face datasets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from pipeline.sinks.publish import describe, publish
from tests.readers.nasty import Made, make
from tests.sinks.tables import made, run_config


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    import datasets

    def loaded(*args: Any, **more: Any) -> Any:
        return datasets.load_dataset(*args, cache_dir=str(tmp_path / "cache"), **more)

    return loaded


@pytest.mark.parametrize("streaming", [False, True])
def test_the_folder_loads_the_edits_and_nothing_else(one: Made, load: Any, streaming: bool) -> None:
    opened = load(str(one.path), streaming=streaming)
    assert list(opened) == ["train"]
    rows = list(opened["train"])
    assert sorted(row["id"] for row in rows) == sorted(one.edits)
    for row in rows:
        assert all(isinstance(row[name], Image.Image) for name in ("source", "edited", "mask"))
        assert row["source"].size == (8, 8) and row["mask"].mode == "L"
        assert row["caption"] == one.edits[row["id"]]["caption"]
    assert len([row for row in rows if row["encoding_ratio"] == 0.8]) > 0


@pytest.mark.parametrize("streaming", [False, True])
def test_the_dead_letters_are_a_second_config(one: Made, load: Any, streaming: bool) -> None:
    rows = list(load(str(one.path), "dead", split="train", streaming=streaming))
    assert sorted(row["id"] for row in rows) == sorted(one.dead)
    assert {row["source"]["bytes"] for row in rows} == {b"not a picture"}


@pytest.mark.parametrize("streaming", [False, True])
def test_the_rejected_edits_are_a_third(one: Made, load: Any, streaming: bool) -> None:
    rows = list(load(str(one.path), "rejected", split="train", streaming=streaming))
    assert sorted(row["id"] for row in rows) == sorted(one.rejected)
    assert all(row["mask"].size == row["edited"].size == (8, 8) for row in rows)
    assert {row["rejected_by"] for row in rows} == {"edit_change"}


def test_files_by_glob_of_several_runs(side_by_side: Made, load: Any) -> None:
    files = f"{side_by_side.path}/edits/*.parquet"
    rows = load("parquet", data_files=files, split="train")
    assert sorted(rows["id"]) == sorted(side_by_side.edits)
    assert list(load(str(side_by_side.path / "edits"))) == ["train"]


def test_an_output_with_nothing_in_it_opens_too(tmp_path: Path, load: Any) -> None:
    import duckdb

    output = made(run_config(str(tmp_path / "out")))
    describe(output)
    for name in ("edits", "rejected", "dead"):
        assert duckdb.sql(f"select * from '{output.root}/{name}/*.parquet'").fetchall() == []
        assert list(load(output.root, name, split="train", streaming=True)) == []


def test_an_output_of_tars_alone(tmp_path: Path, load: Any) -> None:
    only = make(tmp_path / "out", "in", formats=["webdataset"])
    rows = list(load(str(only.path), split="train"))
    assert sorted(row["__key__"] for row in rows) == sorted(only.edits)
    assert not list(only.path.glob("edits/*"))


def test_an_output_without_sources(tmp_path: Path, load: Any) -> None:
    bare = make(tmp_path / "out", "in", source=False)
    rows = load(str(bare.path), split="train")
    assert sorted(rows["id"]) == sorted(bare.edits) and "source" not in rows.features
    assert all(row["source"] for row in load(str(bare.path), "dead", split="train"))
    tar = next(bare.path.glob("webdataset/*.tar"))
    import webdataset

    (sample, *_) = webdataset.WebDataset(str(tar), shardshuffle=False)
    assert "source.jpg" not in sample and "jpg" in sample


def test_published_again_it_is_the_same(one: Made) -> None:
    names = ("README.md", "webdataset/index.json", "webdataset/sizes.json", "dead/schema.parquet")
    before = {name: (one.path / name).read_bytes() for name in names}
    publish(one.output)
    assert {name: (one.path / name).read_bytes() for name in names} == before
