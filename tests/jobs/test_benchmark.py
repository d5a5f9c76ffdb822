"""`jobs.benchmark engine` and `startup` at the smallest size: counts, and ratios of them."""

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
        file = tmp_path / "made" / "report.json"
        result = CliRunner().invoke(app, [*arguments, "--device", "cpu", "--json", str(file)])
        assert result.exit_code == 0, result.output
        return json.loads(file.read_text())

    return call


def test_engine_counts_both_sides_at_equal_settings(run: Any, tiny_model: Path) -> None:
    report = run(
        *("engine", "--model", str(tiny_model), "--steps", "10", "--images", "2"),
        *("--rounds", "1", "--batches", "2"),
    )
    rows = {row["what"]: row for row in report["rows"]}
    # Maps 10 × 4, inversion and edit 8 × 2 each, against 10 × 2, 8 × 1 and 8 × 2.
    assert rows["reference, batch 1"]["evaluations/edit"] == 40 + 16 + 16
    assert rows["reference, batch 2"]["evaluations/edit"] == 40 + 16 + 16
    assert rows["reference, batch 1"]["encodes/edit"] == 11
    assert rows["ours, ddim, 1 target"]["evaluations/edit"] == 20 + 8 + 16
    assert rows["ours, ddim, 1 target"]["encodes/edit"] == 1
    assert rows["ours, ddim, 8 targets"]["evaluations/edit"] == 10 * 9 / 8 + 8 / 8 + 16
    assert rows["ours, dpm, 8 targets"]["evaluations/edit"] == 10 * 9 / 8 + 8 / 8 + 16
    assert rows["ours, recolouring, 1 target"]["evaluations/edit"] == 4 + 8 + 8 + 2
    assert rows["ours, 8 given colours"]["evaluations/edit"] == 4 / 8
    seconds = [rows[name]["s/edit"] for name in ("reference, batch 1", "ours, ddim, 1 target")]
    assert report["ratio"] == pytest.approx(seconds[0] / seconds[1])


def test_engine_leaves_out_what_does_not_fit(
    run: Any, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    from jobs.benchmark import engine

    def small(reference: Any, pictures: Any, steps: int) -> Any:
        if len(pictures) > 1:
            raise torch.OutOfMemoryError
        return edit(reference, pictures, steps)

    edit = engine.reference_edit
    monkeypatch.setattr(engine, "reference_edit", small)
    report = run(
        *("engine", "--model", str(tiny_model), "--steps", "2", "--images", "1"),
        *("--rounds", "1", "--batches", "1,2"),
    )
    named = [row["what"] for row in report["rows"]]
    assert named[0] == "reference, batch 1" and len(named) == 8
    assert report["ratio to best batch"] == report["ratio"]


def test_engine_takes_an_architecture_instead_of_a_folder(run: Any) -> None:
    report = run(
        *("engine", "--arch", "sd15", "--width", "32", "--dtype", "float32"),
        *("--steps", "2", "--images", "1", "--rounds", "1"),
    )
    assert report["matrix product TFLOP/s"] > 0
    assert all(row["TFLOP/s"] > 0 for row in report["rows"])


@pytest.mark.parametrize("arch", ["sdxl", "sd35", "flux", "z_image"])
def test_engine_measures_other_families_without_a_reference(run: Any, arch: str) -> None:
    report = run(
        *("engine", "--arch", arch, "--width", "32", "--dtype", "float32"),
        *("--steps", "2", "--images", "1", "--rounds", "1"),
    )
    named = [row["what"] for row in report["rows"]]
    assert len(named) == 7 and all(name.startswith("ours") for name in named)
    assert not any(key.startswith("ratio") for key in report)
    for row in report["rows"]:
        assert row["evaluations/s"] * row["s/edit"] == pytest.approx(row["evaluations/edit"])
        assert 0 < row["autoencoder's share"] < 1 and row["share of matrix product"] > 0


@pytest.mark.parametrize(
    ("arch", "parameters"),
    [
        ("sdxl", 2_567_463_684),
        ("sd35", 2_243_171_520),
        ("flux", 11_901_408_320),
        ("z_image", 6_154_908_736),
    ],
)
def test_the_architectures_are_of_their_published_sizes(arch: str, parameters: int) -> None:
    import torch

    from jobs.benchmark import arch as architectures

    with torch.device("meta"):
        network = architectures.ARCHS[arch].network(320)
    assert sum(p.numel() for p in network.parameters()) == parameters


def test_the_architecture_is_stable_diffusion_1_5(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its published size; made without memory for it."""
    import torch

    from jobs.benchmark import arch

    with torch.device("meta"):
        unet, vae = arch._unet(320, 768), arch._vae(320)
    assert sum(p.numel() for p in unet.parameters()) == 859_520_964
    assert sum(p.numel() for p in vae.parameters()) == 83_653_863


def test_passes_measures_each_size(run: Any, tiny_model: Path) -> None:
    report = run("passes", "--model", str(tiny_model), "--rows", "1,3")
    assert [row["rows of a pass"] for row in report["rows"]] == [1, 3]
    assert report["ratio"] == report["rows"][1]["rows/s"] / report["rows"][0]["rows/s"]


def test_startup_is_timed_in_a_process_of_its_own(run: Any, tiny_model: Path) -> None:
    report = run("startup", "--model", str(tiny_model))
    times = [row["since start s"] for row in report["rows"]]
    assert [row["part"] for row in report["rows"]] == ["import", "load", "first edit"]
    assert times == sorted(times) and report["total s"] == times[-1]
