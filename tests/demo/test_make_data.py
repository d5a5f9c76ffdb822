"""The dataset can be read by other tools, and its truth agrees with the scenes."""

import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import webdataset as wds
from PIL import Image

from pipeline.demo.make_data import make_data, planned_edits
from pipeline.demo.photos import HELD_OUT
from pipeline.demo.scenes import Scene


def test_webdataset_reads_the_tars(tmp_path: Path) -> None:
    make_data(tmp_path / "data", 5, "webdataset", rows_per_shard=2, size=32)
    shards = sorted(str(path) for path in (tmp_path / "data").glob("*.tar"))
    assert len(shards) == 3
    samples = list(wds.WebDataset(shards, shardshuffle=False).decode("pil"))
    assert [sample["__key__"] for sample in samples] == [f"{HELD_OUT + i:08}" for i in range(5)]
    for number, sample in enumerate(samples):
        scene = Scene.draw(HELD_OUT + number)
        assert sample["txt"] == scene.caption
        assert sample["json"]["colour"] == scene.thing.colour
        assert (np.asarray(sample["png"]) == np.asarray(scene.render(32))).all()


def test_tars_are_the_same_bytes_each_time(tmp_path: Path) -> None:
    make_data(tmp_path / "a", 2, "webdataset", size=32)
    make_data(tmp_path / "b", 2, "webdataset", size=32)
    (a,), (b,) = (list((tmp_path / name).iterdir()) for name in "ab")
    assert a.read_bytes() == b.read_bytes()
    with tarfile.open(a) as tar:
        assert {Path(name).suffix for name in tar.getnames()} == {".png", ".txt", ".json"}


def test_parquet_holds_images_as_hugging_face_writes_them(tmp_path: Path) -> None:
    make_data(tmp_path / "data", 3, "parquet", rows_per_shard=2, size=(48, 32))
    table = pq.read_table(tmp_path / "data")
    assert table.num_rows == 3
    row = table.to_pylist()[0]
    assert Image.open(io.BytesIO(row["image"]["bytes"])).size == (48, 32)
    assert {"key", "caption", "object", "colour", "background", "to_colour"} <= row.keys()


def test_folder_has_images_and_a_table(tmp_path: Path) -> None:
    make_data(tmp_path / "data", 3, "folder", rows_per_shard=2, size=32)
    lines = [
        json.loads(line)
        for table in sorted((tmp_path / "data").glob("*/metadata.jsonl"))
        for line in table.read_text().splitlines()
    ]
    assert len(lines) == 3
    assert (tmp_path / "data" / "00001" / lines[2]["file_name"]).exists()


def test_truth_lies_beside_and_is_the_counterfactual(tmp_path: Path) -> None:
    truth = make_data(tmp_path / "data", 1, "webdataset", seed=7, size=32)
    assert truth == tmp_path / "data-truth"
    scene = Scene.draw(7)
    mask = np.asarray(Image.open(truth / "00000007.mask.png"))
    assert ((mask == 255) == scene.mask(32)).all()
    assert set(np.unique(mask)) <= {0, 255}
    record = json.loads((truth / "00000007.json").read_text())
    for name, edit in planned_edits(scene, 7).items():
        assert record["edits"][name]["caption"] == edit.caption != scene.caption
        drawn = np.asarray(Image.open(truth / f"00000007.{name}.png"))
        assert (drawn == np.asarray(edit.render(32))).all()


@pytest.mark.parametrize(
    ("rows", "format", "message"), [(0, "folder", "at least 1"), (1, "zip", "webdataset")]
)
def test_nonsense_is_refused(tmp_path: Path, rows: int, format: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_data(tmp_path / "data", rows, format)  # type: ignore[arg-type]


def test_a_folder_in_use_is_left_alone(tmp_path: Path) -> None:
    make_data(tmp_path / "data", 1, "folder", size=32)
    with pytest.raises(ValueError, match="not empty"):
        make_data(tmp_path / "data", 1, "folder", size=32)
