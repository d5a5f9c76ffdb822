"""DreamEditBench in its own layout, and upstream's overall score."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
import torch

from pipeline.errors import UsageError
from pipeline.evaluation import dream_edit_bench
from pipeline.evaluation._record import Place, seen
from pipeline.metrics._networks.clip import Clip
from tests.evaluation import layouts


def test_from_folder_to_table(bench, judges, tmp_path) -> None:
    data = layouts.dream_edit_bench(tmp_path / "data")
    records = list(dream_edit_bench.records(Place(data)))
    assert [r.id for r in records[:3]] == [
        "backpack_dog-found0",
        "backpack_dog-found1",
        "dog2-found0",
    ]
    assert {r.source_prompt for r in records} == {"photo of a dog", "photo of a backpack"}
    row = bench("dream_edit_bench", data)["rows"]["none"]
    assert row["edits"] == 6
    assert set(row["groups"]) == {"dog2", "dog8", "backpack_dog"}
    with (tmp_path / "out/scores-none.csv").open() as file:
        values = {line["id"]: line for line in csv.DictReader(file)}
    one = {
        name: float(value)
        for name, value in values["dog2-found0"].items()
        if "_" in name or name == "overall"
    }
    wanted = (
        max(one["dino_sub"], 0.001)
        * max(one["clip_sub"], 0.001)
        * max(one["dino_back"], 0.001) ** 2
    ) ** 0.25
    assert one["overall"] == pytest.approx(wanted)
    corrected = one["overall"] ** 4 / max(one["dino_back"], 0.001) * max(one["clip_back"], 0.001)
    assert one["overall_corrected"] == pytest.approx(corrected**0.25)


def test_the_subject_is_compared_with_all_its_pictures(bench, judges, tmp_path) -> None:
    data = layouts.dream_edit_bench(tmp_path / "data")
    given = tmp_path / "given"
    given.mkdir()
    records = list(dream_edit_bench.records(Place(data)))
    (given / "dog2-found0.png").write_bytes(records[2].source())
    row = bench("dream_edit_bench", data, edits=given)["rows"]["given"]
    assert row["all"]["clip_back"]["mean"] == pytest.approx(1)
    clip = Clip(Path(judges["clip"]), torch.device("cpu"))
    several = clip.images(records[2].references())
    wanted = float((several @ clip.images([seen(records[2].source())])[0]).mean())
    assert len(several) == 2
    assert row["all"]["clip_sub"]["mean"] == pytest.approx(wanted, abs=1e-5)


def test_what_is_missing_is_told(tmp_path) -> None:
    (tmp_path / "data/replacement_source").mkdir(parents=True)
    with pytest.raises(UsageError, match="the subjects' own pictures"):
        list(dream_edit_bench.records(Place(tmp_path)))
    data = layouts.dream_edit_bench(tmp_path / "more")
    (data / "dataset/teapot").mkdir()
    with pytest.raises(UsageError, match=r"dataset/teapot: no pictures there"):
        list(dream_edit_bench.records(Place(data)))
    layouts.picture(data / "dataset/teapot/0.jpg", layouts.cases(1)[0], 64)
    with pytest.raises(UsageError, match=r"replacement_source/teapot: no pictures there"):
        list(dream_edit_bench.records(Place(data)))
