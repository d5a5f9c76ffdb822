"""Groups and splits: an image and all its edits in one, by its bytes alone."""

from __future__ import annotations

from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError

from pipeline.config_file import parse
from pipeline.errors import UsageError
from pipeline.sinks import layout
from pipeline.sinks.commits import read_commits
from pipeline.sinks.groups import group_of, split_of
from pipeline.sinks.output import Output
from pipeline.sinks.part import write_part
from pipeline.sinks.publish import describe, publish
from pipeline.sinks.remove import remove
from pipeline.sinks.verify import verify
from tests.sinks.tables import edited, made, picture, run_config, table

SHARES = {"train": 0.7, "val": 0.2, "test": 0.1}


def written(path: Path, images: int = 24, **sections: Any) -> Output:
    """Each image has two edits."""
    output = made(run_config(str(path), split=SHARES, **sections))
    describe(output)
    for chunk in range(2):
        rows = [
            edited("train/a.tar", chunk, n, edit, planned=2, image=picture((n, 1, 2)))
            for n in range(chunk * images // 2, (chunk + 1) * images // 2)
            for edit in ("blue", "green")
        ]
        write_part(output, table(rows))
    publish(output)
    return output


def test_no_image_has_edits_in_two_splits(tmp_path: Path) -> None:
    output = written(tmp_path / "out")
    splits: defaultdict[str, set[str]] = defaultdict(set)
    for name in SHARES:
        files = list((tmp_path / "out" / "edits").glob(f"*-{name}.parquet"))
        for row in (row for file in files for row in pq.read_table(file).to_pylist()):
            assert row["split"] == name
            splits[row["group_id"]].add(name)
    assert len(splits) == 24 and all(len(found) == 1 for found in splits.values())
    assert verify(output).problems == []
    for commit in read_commits(output):
        assert commit.written == sum(file.rows for file in commit.files_of("edits")) == 24


def test_shares_are_kept_and_nothing_but_the_bytes_decides() -> None:
    groups = [group_of(pa.py_buffer(str(i).encode())) for i in range(20_000)]
    counts = Counter(split_of(group, SHARES) for group in groups)
    for name, share in SHARES.items():
        assert counts[name] / len(groups) == pytest.approx(share, abs=0.01)
    moved = {"train": 0.6, "val": 0.3, "test": 0.1}
    same = sum(split_of(g, SHARES) == split_of(g, moved) for g in groups)
    assert same / len(groups) == pytest.approx(0.9, abs=0.01)
    assert split_of(groups[0], {"all": 1.0}) == "all"


def test_one_picture_is_one_group_whatever_its_shard_run_and_name(tmp_path: Path) -> None:
    ids = []
    for name, seed in (("one", 1), ("two", 2)):
        output = made(run_config(str(tmp_path / name), run={"seed": seed}))
        write_part(output, table([edited(f"{name}.tar", 0, 3, "blue", key=name)]))
        [file] = (tmp_path / name / "edits").glob("*.parquet")
        [row] = pq.read_table(file).to_pylist()
        assert row["split"] is None
        ids.append(row["group_id"])
    assert ids[0] == ids[1] and len(ids[0]) == 24


def test_tars_and_their_json_are_split_too(tmp_path: Path) -> None:
    from pipeline.sinks import webdataset

    output = written(tmp_path / "out", output={"formats": ["webdataset"]})
    for tar in (tmp_path / "out" / "webdataset").glob("*.tar"):
        name = layout.split_of(f"webdataset/{tar.name}")
        assert {row["split"] for row in webdataset.rows(tar.read_bytes())} == {name}
    assert sum(commit.written for commit in read_commits(output)) == 48


def test_what_is_removed_leaves_the_others_in_their_splits(tmp_path: Path) -> None:
    output = written(tmp_path / "out")
    [first] = [row["id"] for row in pq.read_table(_part(tmp_path / "out", "train")).to_pylist()][:1]
    removed, unknown = remove(output, [first])
    assert (removed, unknown) == (1, []) and verify(output).problems == []
    for file in (tmp_path / "out" / "edits").glob("*-r*.parquet"):
        assert {r["split"] for r in pq.read_table(file).to_pylist()} == {file.stem.split("-")[-1]}


def _part(folder: Path, split: str) -> Path:
    return sorted(folder.glob(f"edits/*-r0-*-{split}.parquet"))[0]


@pytest.mark.parametrize(
    "shares", [{"train": 0.9}, {"a": 0.5, "A": 0.5}, {"a-b": 1.0}, {"a": 1.5, "b": -0.5}]
)
def test_shares_that_are_none_are_refused(shares: Any, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="split"):
        run_config(str(tmp_path), split=shares)


def test_a_config_without_splits_and_labels_is_what_it_was(tmp_path: Path) -> None:
    plain = run_config(str(tmp_path))
    assert not {"labels", "split"} & plain.result_settings().keys()
    both = run_config(
        str(tmp_path), split=SHARES, labels={"x": {"from": "source_word", "to": "target_word"}}
    )
    assert both.fingerprint() != plain.fingerprint()
    raw = {**both.model_dump(mode="json")}
    assert parse(raw) == both


@pytest.mark.parametrize(
    "label", [{"from": "source_word"}, {"to": "target_word", "type": "int64"}, {"to": "x"}]
)
def test_labels_that_cannot_be_are_refused(label: Any) -> None:
    from pipeline.labels import Label

    with pytest.raises(ValidationError):
        Label.model_validate(label)


@pytest.mark.parametrize("formats", [["parquet"], ["webdataset"]])
def test_datasets_finds_the_splits_that_have_edits(
    tmp_path: Path, formats: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    import datasets

    output = written(tmp_path / "out", images=4, output={"formats": formats})
    opened = datasets.load_dataset(output.root, cache_dir=str(tmp_path / "cache"))
    counts = {name: len(rows) for name, rows in opened.items()}
    assert sum(counts.values()) == 8 and all(counts.values()) and counts.keys() < SHARES.keys()
    if formats == ["parquet"]:
        assert all(rows.features == opened["train"].features for rows in opened.values())
        assert len(list((tmp_path / "out" / "edits").glob("schema-*.parquet"))) == len(SHARES)
