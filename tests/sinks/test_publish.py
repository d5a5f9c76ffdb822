"""The card and what goes with it."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml

from pipeline.sinks.output import Output
from pipeline.sinks.part import write_part
from pipeline.sinks.publish import describe, publish
from tests.sinks.tables import chunk_table, died, edited, made, run_config, table

HOSTILE = "in/\n---\nconfigs: []\n# <script>alert(1)</script> | {counts.rows} `x` ```\n| a |"


def card(output: Output) -> str:
    return Path(output.root, "README.md").read_text()


def head(output: Output) -> object:
    return yaml.safe_load(card(output).split("---\n")[1])


def test_text_of_a_config_cannot_pass_for_the_card_s_own(tmp_path: Path) -> None:
    plain = made(run_config(str(tmp_path / "plain")))
    output = made(run_config(str(tmp_path / "out"), input={"path": HOSTILE}))
    for each in (plain, output):
        describe(each)
    assert head(output) == head(plain)
    lines = [
        line for line in card(output).splitlines() if "script" in line or "configs: []" in line
    ]
    assert lines and all(line.startswith("    ") for line in lines)
    assert len(card(output).splitlines()) == len(card(plain).splitlines())


def test_the_card_counts_what_is_committed(tmp_path: Path) -> None:
    output = made(run_config(str(tmp_path / "out")))
    describe(output)
    assert "| edits written | 0 |" in card(output)
    for chunk in range(2):
        write_part(output, chunk_table("a", chunk, last=chunk == 1))
    describe(output)
    assert "| edits written | 0 |" in card(output), "it is written anew at the end of a run alone"
    publish(output)
    for line in ("| images read | 8 |", "| edits planned | 10 |", "| edits written | 6 |"):
        assert line in card(output)
    assert "| of these: edit/nan | 2 |" in card(output)


def test_the_settings_that_a_fingerprint_stands_for_are_there(tmp_path: Path) -> None:
    output = made(run_config(str(tmp_path / "out"), mask={"threshold": 0.4}))
    describe(output)
    (path,) = Path(output.root, "settings").iterdir()
    assert path.name == f"{output.fingerprint}.json"
    assert json.loads(path.read_text())["mask"]["threshold"] == 0.4


@pytest.mark.parametrize("formats", [["parquet"], ["webdataset"], ["webdataset", "parquet"]])
def test_the_card_speaks_of_what_is_written_alone(tmp_path: Path, formats: list[str]) -> None:
    output = made(run_config(str(tmp_path / "out"), output={"formats": formats}))
    describe(output)
    assert ("webdataset/*.tar" in card(output)) == ("webdataset" in formats)
    assert ("DIR/edits" in card(output)) == ("parquet" in formats)
    there = {str(p.relative_to(output.root)) for p in Path(output.root).rglob("*") if p.is_file()}
    assert ("webdataset/index.json" in there) == ("webdataset" in formats)
    assert ("edits/schema.parquet" in there) == ("parquet" in formats)
    assert "dead/schema.parquet" in there


def test_a_place_that_is_no_text_is_written_as_text(tmp_path: Path) -> None:
    output = made(run_config(str(tmp_path / "out"), input={"path": "in\udcff"}))
    describe(output)
    write_part(output, chunk_table("a", 0, last=True))
    publish(output)
    table = pq.read_table(Path(output.root, "edits"), columns=["input"])
    assert set(table["input"].to_pylist()) == {"in\\xff"}


def test_the_card_s_funnel_splits_and_examples(tmp_path: Path) -> None:
    keep = {"mask_area": {"min": 0.1}, "edit_change": {"min": 5}}
    config = run_config(
        str(tmp_path / "out"),
        check={"keep": keep},
        split={"train": 0.5, "test": 0.5},
        output={"license": "cc-by-4.0"},
    )
    output = made(config)
    describe(output)
    bad = {"error_stage": "check", "error_kind": "rejected"}
    rows = [
        edited("a", 0, 0, "blue", planned=4, near_duplicate="red", instruction="make it | blue"),
        {**edited("a", 0, 0, "red", planned=4), **bad, "error_message": "check.keep.mask_area: 0"},
        {
            **edited("a", 0, 0, "pink", planned=4),
            **bad,
            "error_message": "check.keep.edit_change: 3",
        },
        died(edited("a", 0, 0, "grey", planned=4)),
    ]
    write_part(output, table(rows))
    publish(output)
    page = card(output)
    for line in (
        "| planned | 4 | 100.0 % |",
        "| edited | 3 | 75.0 % |",
        "| within `check.keep.mask_area` | 2 | 50.0 % |",
        "| within `check.keep.edit_change` | 1 | 25.0 % |",
        "| **kept** | 1 | 25.0 % |",
        "| edits that nearly equal another of their image | 1 |",
    ):
        assert line in page
    assert sum(f"| `{name}` | 0.5 | 1 |" in page for name in ("train", "test")) == 1
    [example] = [line for line in page.splitlines() if "make it | blue" in line]
    assert example.startswith("    {")
    told = yaml.safe_load(page.split("---\n")[1])
    assert told["license"] == "cc-by-4.0" and "synthetic" in told["tags"]
    [files] = told["configs"][0]["data_files"]  # of a split that has edits
    assert files["path"] == f"edits/*-{files['split']}.parquet"


def test_a_part_of_an_older_version_is_read_with_nulls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    import datasets

    output = made(run_config(str(tmp_path / "out")))
    describe(output)
    for chunk in range(2):
        write_part(output, chunk_table("a", chunk, last=chunk == 1))
    publish(output)
    old = sorted(Path(output.root, "edits").glob("*-r0-*"))[0]
    part = pq.read_table(old)
    pq.write_table(part.drop_columns(["group_id", "instruction", "near_duplicate"]), old)
    rows = datasets.load_dataset(output.root, split="train", cache_dir=str(tmp_path / "cache"))
    assert len(rows) == 6 and rows["group_id"].count(None) == 3
