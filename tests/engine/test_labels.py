"""Labels through a run: typed columns, changed labels, groups and splits, read by datasets."""

from __future__ import annotations

import json
from collections import defaultdict
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.config_file import parse
from pipeline.errors import UsageError
from pipeline.sinks.output import existing_output
from pipeline.sinks.recheck import recheck
from pipeline.sinks.verify import verify
from tests.datasets import photo, settings, write_tar

SHARES = {"train": 0.6, "test": 0.4}
LABEL = {"from": "source_word", "to": "target_word"}
BOX = pa.list_(pa.list_(pa.float32()))


def parquet(path: Path, first: int, colours: list[str], **columns: Any) -> None:
    """Photos of mugs with their boxes."""
    count = len(colours)
    there = {
        "image": pa.array([photo(first + i) for i in range(count)]),
        "caption": pa.array([f"a {colour} mug" for colour in colours]),
        "label": pa.array(colours),
        "boxes": pa.array([[[0.0, 0.5 * i]] for i in range(count)], BOX),
        "weight": pa.array(range(count), pa.int16()),
        "taken": pa.array([datetime(2024, 1, 1 + i) for i in range(count)], pa.timestamp("us")),
        **columns,
    }
    path.parent.mkdir(exist_ok=True)
    pq.write_table(pa.table(there), path)


def config(tmp_path: Path, model: Path | str, **more: Any) -> Any:
    base = settings(tmp_path / "in", tmp_path / "out", model).model_dump(mode="json")
    base |= {
        "input": {"type": "parquet", "path": str(tmp_path / "in")},
        "prompts": {
            "type": "attributes",
            "tables": {"label": ["red", "green", "blue"]},
            "variants": 2,
        },
        "labels": {"label": LABEL},
        "split": SHARES,
    }
    return parse({**base, **more})


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    import datasets

    return lambda *args: datasets.load_dataset(*args, cache_dir=str(tmp_path / "cache"))


def test_a_run_keeps_types_changes_labels_and_splits_by_image(
    tmp_path: Path, tiny_model: Path, edit: Any, load: Any
) -> None:
    parquet(tmp_path / "in" / "a.parquet", 0, ["red"] * 6 + ["green"] * 2)
    parquet(tmp_path / "in" / "b.parquet", 0, ["red"] * 3, weight=pa.array([1, 2, 3]))
    edit(config(tmp_path, tiny_model))
    output = existing_output(str(tmp_path / "out"))
    assert verify(output).problems == []
    opened = load(str(tmp_path / "out"))
    assert set(opened) == {"train", "test"}
    found = defaultdict(set)
    for name, rows in opened.items():
        assert rows.features["boxes"].feature.feature.dtype == "float32"
        assert (
            rows.features["weight"].dtype == "int64"
            and rows.features["taken"].dtype == "timestamp[us]"
        )
        for row in rows:
            found[row["group_id"]].add(name)
            assert row["split"] == name and row["source_label"] == row["source_word"]
            assert row["label"] == row["target_word"] != row["source_label"]
            assert (
                row["boxes"][0][1] == 0.5 * json.loads(row["columns"])["weight"]
                or row["shard"] == "b.parquet"
            )
            assert row["instruction"] == f"make the mug {row['label']}"
    assert len(found) == 8 and all(len(names) == 1 for names in found.values())  # b has a's photos
    assert sum(map(len, opened.values())) == 22
    from datasets import ClassLabel

    numbered = opened.cast_column("label", ClassLabel(names=["red", "green", "blue"]))
    for name, rows in numbered.items():
        assert rows.features["label"].int2str(rows["label"][:]) == opened[name]["label"][:]


def test_edits_that_other_bounds_move_stay_in_their_split(
    tmp_path: Path, tiny_model: Path, edit: Any, load: Any
) -> None:
    parquet(tmp_path / "in" / "a.parquet", 0, ["red"] * 6)
    edit(config(tmp_path, tiny_model))
    output = existing_output(str(tmp_path / "out"))
    before = {row["id"]: row for rows in load(str(tmp_path / "out")).values() for row in rows}
    from pipeline.checks import Bound

    scores = sorted(row["score_edit_change"] for row in before.values())
    recheck(output, {"edit_change": Bound(min=scores[len(scores) // 2])})
    assert verify(output).problems == []
    for name in SHARES:
        for file in (tmp_path / "out" / "edits").glob(f"*-r1-*-{name}.parquet"):
            assert {row["split"] for row in pq.read_table(file).to_pylist()} == {name}
    recheck(output, {})
    again = [
        r
        for f in (tmp_path / "out" / "edits").glob("*-r[0-9]-*")
        for r in pq.read_table(f).to_pylist()
    ]
    assert {row["id"]: (row["label"], row["split"]) for row in again} == {
        name: (row["label"], row["split"]) for name, row in before.items()
    }


def test_a_label_that_says_another_word_is_a_dead_letter(
    tmp_path: Path, tiny_model: Path, edit: Any, results: Any
) -> None:
    parquet(tmp_path / "in" / "a.parquet", 0, ["red", "green"], label=pa.array(["red", "crimson"]))
    edit(config(tmp_path, tiny_model))
    rows = results(tmp_path / "out")
    [letter] = [row for row in rows.values() if row.get("error_kind")]
    assert letter["error_kind"] == "label_differs" and len(rows) == 3
    assert (
        letter["error_message"]
        == "labels.label: the column says 'crimson', the edit changes 'green'"
    )


def test_a_label_of_numbers_or_none_is_refused_before_anything(tmp_path: Path, edit: Any) -> None:
    parquet(tmp_path / "in" / "a.parquet", 0, ["red"])
    for name, why in (("weight", "the column is int16 in a.parquet"), ("shape", "no column shape")):
        with pytest.raises(UsageError, match=why):
            edit(config(tmp_path, "demo", labels={name: LABEL}))
    assert not (tmp_path / "out" / "edits").exists()


def test_types_of_json_are_told_by_the_first_rows(
    tmp_path: Path, tiny_model: Path, edit: Any, results: Any
) -> None:
    rows = [(f"{i}", photo(i), "a red mug") for i in range(2)]
    write_tar(tmp_path / "in" / "a.tar", rows)
    edit(
        config(
            tmp_path,
            tiny_model,
            input={"type": "webdataset", "path": str(tmp_path / "in")},
            labels={},
        )
    )
    for row in results(tmp_path / "out").values():
        assert row["txt"] == row["caption"] and "label" not in row
