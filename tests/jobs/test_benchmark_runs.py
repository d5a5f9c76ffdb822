"""The modes of `jobs.benchmark` that run the pipeline, at their smallest: counts, no times."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from jobs.benchmark.__main__ import app


@pytest.fixture
def run(tmp_path: Path) -> Any:
    def call(*arguments: str) -> Any:
        file = tmp_path / "report.json"
        result = CliRunner().invoke(app, [*arguments, "--json", str(file)])
        assert result.exit_code == 0, result.output
        return json.loads(file.read_text())

    return call


def test_pipeline_compares_the_same_chunks(ray_here: None, run: Any, tiny_model: Path) -> None:
    report = run(
        *("pipeline", "--model", str(tiny_model), "--images", "6"),
        *("--steps", "2", "--chunk-rows", "2"),
    )
    before, ray, after = report["rows"]
    assert before["images"] == ray["images"] == after["images"] == 4
    engine = (before["s"] + after["s"]) / 2
    assert report["ratio"] == pytest.approx(engine / ray["s"])
    assert 0 <= report["model idle in the run"] < 1


def test_tries_are_judged_and_compared(run: Any) -> None:
    report = run("tries", "--scenes", "1", "--tries", "2")
    assert [row["kind"] for row in report["rows"]] == ["colour", "object", "background"]
    for row in report["rows"]:
        assert row["right, best by verdict"] <= row["right, any"] <= 1
        assert row["dB, a try"] <= row["dB, best by truth"] >= row["dB, best by verdict"]


def test_scaling_runs_every_actor(ray_here: None, run: Any) -> None:
    report = run("scaling", "--actors", "1,2", "--nap", "0.01", "--chunks", "1")
    one, two = report["rows"]
    assert (one["actors"], one["images"]) == (1, 4) and (two["actors"], two["images"]) == (2, 8)
    assert report["ratio"] == pytest.approx(two["share of ideal"] / one["share of ideal"])


def test_memory_counts_all_processes(ray_here: None, run: Any) -> None:
    report = run("memory", "--images", "2", "--side", "64")
    few, many = report["rows"]
    assert (few["images"], many["images"]) == (2, 8)
    assert few["processes"] > 2 and few["private, MiB"] > 100


def test_io_writes_what_it_reads(run: Any) -> None:
    report = run("io", "--images", "64", "--side", "64")
    *measured, theirs = report["rows"]
    assert [row["rows"] for row in measured] == [64, 64, 64]
    assert "not measured" in theirs["what"] and theirs["rows/s a core"] is None


def test_resume_tells_the_size_of_the_state(run: Any) -> None:
    report = run("resume", "--rows", "4000", "--shards", "4")
    figures = {row["figure"]: row["value"] for row in report["rows"]}
    assert figures["chunks"] == 4 * 32


def test_help_names_every_mode() -> None:
    said = CliRunner().invoke(app, ["--help"]).output
    for mode in ("engine", "passes", "startup", "pipeline", "io", "scaling", "memory", "resume"):
        assert f"jobs.benchmark {mode}" in said


def test_photos_tells_each_step_and_the_floor(run: Any) -> None:
    (row,) = run("photos", "--sides", "320", "--targets", "2", "--rounds", "1")["rows"]
    steps = ("decode", "to model", "blocks", "paste back", "encode", "mask", "thumbnail", "scores")
    assert row["all"] == pytest.approx(sum(row[step] for step in steps))
    for library in ("Pillow", "jpeglib"):
        assert row[f"all / {library}"] == pytest.approx(row["all"] / row[f"floor, {library}"])
    assert 0.3 < row["bytes / source's"] < 1.3
