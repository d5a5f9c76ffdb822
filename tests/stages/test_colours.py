"""Exact colours from the config to the row: reached on every photo of a product, and told."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pyroaring import BitMap
from skimage.color import deltaE_ciede2000, rgb2lab

from pipeline.config_file import parse
from pipeline.demo.make_data import make_data
from pipeline.engine.todo import read
from pipeline.errors import UsageError
from pipeline.images.light import rgb_of
from pipeline.section import build
from pipeline.stages import Check, Edit, Plan
from tests.datasets import settings

NAVY = "#1f2a44"
SCORES = ("delta_e_colour", "delta_e_region", "delta_e_region_p95")


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    folder = tmp_path_factory.mktemp("colours")
    make_data(folder / "in", 3, "webdataset")
    config = settings(
        folder / "in",
        folder / "out",
        "demo",
        prompts={"type": "recolor", "colours": [{"name": "navy", "hex": NAVY}, "green"]},
        mask={"noise_maps": 2},
        edit={"steps": 4, "paste_back": "recolor"},
        check={"scores": SCORES, "keep": {"delta_e_colour": {"max": 2}}},
    )
    shards = build(config.input).listing().shards
    stages = Plan(config), Edit(config), Check(config)
    found = []
    for shard in shards:
        for table in read(config, shard, BitMap()):
            for stage in stages:
                table = stage(table)
            found += table.to_pylist()
    return found


def test_the_hex_is_reached_on_every_photo_and_a_word_has_none(rows: list[dict[str, Any]]) -> None:
    exact = [row for row in rows if row["edit"] == "navy" and row["mask_state"] == "partial"]
    assert exact and {row["colour"] for row in exact} == {NAVY}
    assert {row["error_kind"] for row in exact} == {None}
    for row in exact:
        assert row["score_delta_e_colour"] < 2
        lab = [rgb2lab(rgb_of(code) / 255) for code in (row["reached"], NAVY)]
        assert deltaE_ciede2000(*lab) == pytest.approx(row["score_delta_e_colour"], abs=0.6)
        assert row["score_delta_e_region"] <= row["score_delta_e_region_p95"]
    words = [row for row in rows if row["edit"] == "green" and row["mask_state"] == "partial"]
    assert words and all(row["colour"] is None and row["reached"] for row in words)
    assert all(row[f"score_{name}"] is None for row in words for name in SCORES)


def test_exact_colours_without_recolouring_are_refused(tmp_path: Path) -> None:
    raw = {
        "input": {"type": "folder", "path": str(tmp_path)},
        "prompts": {"type": "recolor", "colours": [{"name": "navy", "hex": NAVY}]},
        "model": {"type": "stable_diffusion", "path": "demo"},
        "output": {"path": str(tmp_path / "out")},
    }
    with pytest.raises(UsageError, match=r"edit\.paste_back: exact colours .* need recolor"):
        parse(raw, "config")
