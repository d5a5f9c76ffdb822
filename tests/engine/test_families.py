"""A run of every family from shards to Parquet, in a loop and on Ray."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from pipeline.engine.estimate import evaluations
from pipeline.engine.run import run
from pipeline.models.facts import facts
from pipeline.prompts._rule import PlannedEdit
from tests.datasets import catalogue, settings
from tests.models.tiny_families import make

FAMILIES = ("stable_diffusion_xl", "stable_diffusion_3", "flux", "z_image", "flux2_klein")


def _config(tmp_path: Path, family: str, out: str = "out") -> Any:
    folder = tmp_path / "model"
    if not folder.exists():
        make(family, folder)
        catalogue(tmp_path / "in", shards=1, per_shard=3)
    model = {"type": "auto", "device": "cpu", "dtype": "float32", "resolution": 64}
    return settings(tmp_path / "in", tmp_path / out, folder, model=model, edit={"steps": 3})


def _rows(out: Path) -> list[dict[str, Any]]:
    tables = [pq.read_table(file) for file in sorted(out.rglob("*.parquet"))]
    rows = [row for table in tables for row in table.to_pylist() if row.get("mask_state")]
    return sorted(rows, key=lambda row: (row["key"], row["edit"]))


@pytest.mark.parametrize("family", FAMILIES)
def test_ray_gives_the_bytes_of_the_loop(ray_here: None, tmp_path: Path, family: str) -> None:
    found = {}
    for out, local in (("here", True), ("ray", False)):
        config = _config(tmp_path, family, out)
        assert config.model.type == family
        tally = run(config, local=local, verbose=False, watch=lambda _: None)
        assert (tally.rows, tally.planned, tally.written, tally.dead) == (3, 6, 6, 0)
        found[out] = _rows(tmp_path / out)
    assert len(found["here"]) == 6 and len({row["weights"] for row in found["here"]}) == 1
    for one, other in zip(found["here"], found["ray"], strict=True):
        assert one["guidance_scale"] == config.edit.guidance_scale
        assert (one["edited"], one["mask"]) == (other["edited"], other["mask"])


def test_a_plan_counts_a_told_row_once(tmp_path: Path) -> None:
    config = _config(tmp_path, "flux")
    edits = [PlannedEdit("blue", "a red mug", "a blue mug")]
    assert evaluations(config, edits) == 2 * 2 + 2 + 2  # steps 3, ratio 0.8, two noise maps
    said = dict(facts(config.model))
    assert "may not" in said["licence of its outputs"] and "GiB" in said["device memory"]
