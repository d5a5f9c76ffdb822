"""Emu Edit, MagicBrush and HATIE in their own layouts."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pipeline.errors import UsageError
from pipeline.evaluation import _lines, emu_edit, magic_brush
from pipeline.evaluation._record import Place
from tests.evaluation import layouts

SCRIPT = Path(__file__).parents[2] / "jobs/convert_hatie.py"


def test_emu_edit(bench, tmp_path) -> None:
    data = layouts.emu_edit(tmp_path / "data")
    row = bench("emu_edit", data)["rows"]["none"]
    assert row["edits"] == 3
    assert row["all"]["clip_dir"]["nan"] >= 2, "two have no caption before"
    assert set(row["groups"]) == {"color", "global"}
    one = list(emu_edit.records(Place(data / "data/validation-00000-of-00001.parquet")))
    assert len(one) == 1
    with pytest.raises(UsageError, match=r"no \*.parquet"):
        list(emu_edit.records(Place(tmp_path)))


def test_magic_brush(bench, tmp_path) -> None:
    data = layouts.magic_brush(tmp_path / "data")
    records = list(magic_brush.records(Place(data)))
    assert records[1].source() == (data / "images/123/123-output1.png").read_bytes()
    case = layouts.cases(1)[0]
    assert (records[0].mask() == case.true_region(64)).all()
    given = tmp_path / "given"
    given.mkdir()
    for record in records:
        (given / f"{record.id}.png").write_bytes(layouts.png(record.wanted()))
    row = bench("magic_brush", data, edits=given)["rows"]["given"]["all"]
    assert (row["l1"]["mean"], row["l2"]["mean"]) == (0, 0)
    assert row["clip_i"]["mean"] == pytest.approx(1)
    bare = bench("magic_brush", data, output=tmp_path / "b")["rows"]["none"]["all"]
    assert np.isfinite(bare["l1"]["mean"])


def test_hatie_is_converted_once(bench, tmp_path) -> None:
    case = layouts.cases(1)[0]
    layouts.picture(tmp_path / "original_images/2373554.jpg", case, 64)
    query = {
        "type": "obj_rep",
        "original": ["3143517", "person"],
        "target": "cup",
        "id": 23847,
        "original_caption": case.scene.caption,
        "target_caption": case.wanted.caption,
        "instruction": "Replace the person with a cup.",
    }
    background = {**query, "id": 3, "type": "bg_chg"}
    listed = [query, {**query, "id": 2, "original": ["nowhere", "x"]}, background]
    (tmp_path / "q.pkl").write_bytes(pickle.dumps({"2373554": listed}))
    thing = case.scene.mask(64)
    masks = [{"image": "2373554", "editable_objs": {"3143517": {"mask": thing, "bbox": [0, 1]}}}]
    (tmp_path / "m.pkl").write_bytes(pickle.dumps(masks))
    done = convert(tmp_path / "q.pkl", tmp_path / "records.jsonl", tmp_path / "m.pkl")
    assert (done.returncode, "3 records, 2 with a mask" in done.stdout) == (0, True), done.stderr
    first, second, third = _lines.records(Place(tmp_path))
    assert (first.mask() == thing).all() and second.mask() is None
    assert (third.mask() == ~thing).all()
    (tmp_path / "q.pkl").write_bytes(pickle.dumps({"2373554": listed[:2]}))
    done = convert(tmp_path / "q.pkl", tmp_path / "records.jsonl", tmp_path / "m.pkl")
    assert [r.id for r in _lines.records(Place(tmp_path))] == ["23847", "2"]
    row = bench("hatie", tmp_path, output=tmp_path / "out")["rows"]["none"]
    assert (row["edits"], list(row["groups"])) == (2, ["obj_rep"])
    outside = row["all"]["psnr_outside"]
    assert outside["nan"] == 1 and outside["count"] + outside["inf"] == 1


def test_a_pickle_that_names_code_is_refused(tmp_path) -> None:
    (tmp_path / "q.pkl").write_bytes(pickle.dumps({"1": [Path("x")]}))
    done = convert(tmp_path / "q.pkl", tmp_path / "out.jsonl")
    assert done.returncode == 1
    assert "only plain data is read" in done.stderr
    assert not (tmp_path / "out.jsonl").exists()
    (tmp_path / "q.pkl").write_text(json.dumps({}))
    assert convert(tmp_path / "q.pkl", tmp_path / "out.jsonl").returncode == 1


def convert(*paths: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPT), *map(str, paths)]
    return subprocess.run(command, capture_output=True, text=True, check=False)
