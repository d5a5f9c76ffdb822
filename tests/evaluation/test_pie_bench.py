"""PIE-Bench in its own layout: what is parsed, edited, scored and told."""

from __future__ import annotations

import csv
import json
import math
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.errors import UsageError
from pipeline.evaluation import pie_bench
from pipeline.evaluation._record import Place
from tests.evaluation import layouts


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return layouts.pie_bench(tmp_path_factory.mktemp("pie"))


def test_records(data) -> None:
    records = list(pie_bench.records(Place(data)))
    assert [record.id for record in records] == [f"{n:012d}" for n in range(4)]
    assert not any("[" in r.source_prompt + r.target_prompt for r in records)
    assert records[0].group == "6_change_color"
    assert [record.source() is None for record in records] == [False, False, False, True]
    assert records[1].mask().all()


def test_runs_are_decoded_as_upstream_does() -> None:
    mask = pie_bench.decoded([7, 2, 10, 999], 4)
    assert mask[2].tolist() == [True, False, True, True]
    assert mask[1].tolist() == [True, False, False, True]
    small = pie_bench.decoded([6, 2], 5)
    assert small.sum() == 16 + 2
    with pytest.raises(UsageError, match="x: 000: no 'image_path'"):
        pie_bench._record(Path("x"), "000", {})
    with pytest.raises(UsageError, match="pairs of start and length"):
        pie_bench._mask([1, 2, 3], "here")


def test_a_mask_as_text_is_the_same_mask() -> None:
    runs = [600, 40, 2000, 9]
    text = " ".join(map(str, runs))
    assert (pie_bench._mask(text, "") == pie_bench.decoded(runs)).all()


def test_siblings(data, tmp_path) -> None:
    """TI2I's file has no masks, and some of its pictures no prompt; long prompts are as PIE's."""
    shutil.copytree(data / "annotation_images", tmp_path / "annotation_images")
    shutil.copy(data / "mapping_file.json", tmp_path / "long_mapping_file.json")
    entries = json.loads((data / "mapping_file.json").read_text())
    for entry in entries.values():
        del entry["mask"]
        entry["original_prompt"] = ""
    ti2i = tmp_path / "mapping_file_ti2i_benchmark.json"
    ti2i.write_text(json.dumps(entries))
    first = next(pie_bench.records(Place(ti2i)))
    assert (first.mask(), first.source_prompt, first.source() is None) == (None, "", False)
    long = Place(tmp_path / "long_mapping_file.json")
    assert next(pie_bench.records(long)).mask() is not None
    assert pie_bench.PROTOCOL.on(Place(data / "mapping_file.json")).published
    assert not pie_bench.PROTOCOL.on(long).published, "PIE's published rows are not of it"
    with pytest.raises(UsageError, match="none of mapping_file"):
        list(pie_bench.records(Place(tmp_path)))
    with pytest.raises(UsageError, match="none of mapping_file"):
        list(pie_bench.records(Place(tmp_path / "annotation_images")))


def test_from_folder_to_table(bench, data, tmp_path) -> None:
    found = bench("pie_bench", data, reference_rows=1)
    assert found["status"] == "exact"
    rows = found["rows"]
    assert list(rows) == ["none", "feather", "none-first", "reference"]
    for label in ("none", "feather"):
        assert (rows[label]["edits"], rows[label]["dead"]) == (3, 1)
        assert rows[label]["dead_by_kind"] == {"no_image": 1}
    bare = rows["none"]["all"]
    assert bare["psnr"]["nan"] == 1, "one mask is all ones"
    assert bare["psnr"]["count"] + bare["psnr"]["inf"] == 2, "an empty mask leaves the photo"
    assert bare["psnr"]["low"] <= bare["psnr"]["mean"] <= bare["psnr"]["high"]
    assert bare["clip_whole"]["count"] == 3
    assert set(rows["none"]["groups"]) == {
        "6_change_color",
        "1_change_object",
        "8_change_background",
    }
    assert rows["feather"]["all"]["lpips"]["mean"] < bare["lpips"]["mean"]
    table = (tmp_path / "out/table.md").read_text()
    for text in ("**exact**", "without paste-back", "with paste-back (feather)", "15.9", "InfEdit",
                 "1 undefined (NaN)", "no_image", "published: DiffEdit as ranked"):  # fmt: skip
        assert text in table
    with (tmp_path / "out/scores-reference.csv").open() as file:
        values = {row["id"]: row for row in csv.DictReader(file)}
    psnr = float(values["000000000000"]["psnr"])
    assert -10 * math.log10(float(values["000000000000"]["mse"])) == pytest.approx(psnr)


def test_edits_of_others(bench, data, tmp_path) -> None:
    """Panels, equal pictures, upstream's own paths, a wrong size."""
    given = tmp_path / "given"
    images = data / "annotation_images"
    one = np.asarray(Image.open(images / "6_change_attribute_color_40/000000000000.jpg"))
    panels = np.concatenate([one[:, ::-1], one[::-1], one], axis=1)
    (given / "6_change_attribute_color_40").mkdir(parents=True)
    Image.fromarray(panels).save(given / "6_change_attribute_color_40/000000000000.png")
    shutil.copy(given / "6_change_attribute_color_40/000000000000.png", given / "000000000000.png")
    nested = "8_change_background_80/1_artificial/3_indoor/000000000002.JPG"
    (given / nested).parent.mkdir(parents=True)
    Image.open(images / nested).resize((256, 256)).save(given / nested)
    found = bench("pie_bench", data, edits=given)
    row = found["rows"]["given"]
    assert row["dead_by_kind"] == {"no picture in the folder": 2, "wrong_size": 1}
    assert row["edits"] == 1
    assert row["all"]["psnr"] == {
        "mean": None, "low": None, "high": None, "count": 0, "nan": 0, "inf": 1
    }  # fmt: skip
    assert row["all"]["structure"]["mean"] == pytest.approx(0, abs=1e-6)
    assert row["all"]["ssim"]["mean"] == pytest.approx(100)


def test_missing_weights_leave_the_other_columns(bench, data, tmp_path) -> None:
    found = bench("pie_bench", data, rows=2, weights={"clip": "/no/clip", "dino": "/no/dino"})
    assert "psnr" in found["rows"]["none"]["all"]
    assert "clip_whole" not in found["rows"]["none"]["all"]
    assert "/no/clip" in found["columns"]["clip_whole"]["missing"]
    table = (tmp_path / "out/table.md").read_text()
    assert "– clip: /no/clip: no such folder" in table
    with pytest.raises(UsageError, match="/no/clip"):
        bench("pie_bench", data, strict=True, weights={"clip": "/no/clip"},
              output=tmp_path / "strict")  # fmt: skip
    assert not (tmp_path / "strict").exists(), "refused before anything is edited"
    with pytest.raises(UsageError, match="it has clip, dino, lpips"):
        bench("pie_bench", data, weights={"vgg": "/no"})


def test_another_set_of_records_is_refused(bench, data) -> None:
    bench("pie_bench", data, rows=1)
    first = bench("pie_bench", data, rows=1)["rows"]
    assert json.dumps(first) == json.dumps(bench("pie_bench", data, rows=1)["rows"])
    with pytest.raises(UsageError, match="holds other records"):
        bench("pie_bench", data, rows=2)
