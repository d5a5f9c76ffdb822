"""Balanced targets in runs: the same whatever reads, resumes or works on the shard."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

from pyroaring import BitMap

from pipeline.config_file import parse
from pipeline.engine.todo import read
from pipeline.section import build
from pipeline.stages import Plan
from tests.datasets import photo, settings, write_tar

COLOURS = ["red", "green", "blue", "white"]
CAPTIONS = ["a red mug"] * 11 + ["a mug"] + ["a green mug"] * 3 + ["a blue mug"] * 2
BALANCED = {"prompts": {"type": "attributes", "tables": {"colour": COLOURS}, "on_missing": "pass"}}


def config(source: Path, output: Path, model: Path | str = "demo", **more: Any) -> Any:
    base: Any = settings(source, output, model)
    raw = base.model_dump(mode="json") | BALANCED
    if "input" in more:
        raw["input"] = {"path": str(source)}
    for name, section in more.items():
        raw[name] = {**raw.get(name, {}), **section}
    return parse(raw)


def tar(folder: Path) -> Path:
    picture = photo(0)
    rows = [(f"{i:03d}", picture, caption) for i, caption in enumerate(CAPTIONS)]
    write_tar(folder / "a.tar", rows)
    return folder


def folder(path: Path, captions: list[str], first: int = 0) -> Path:
    path.mkdir(exist_ok=True)
    for i, caption in enumerate(captions, first):
        (path / f"{i:03d}.png").write_bytes(photo(i))
        (path / f"{i:03d}.txt").write_text(caption)
    return path


def targets(run: Any, done: tuple[int, ...] = ()) -> dict[str, list[str]]:
    """Key → targets, of what is planned of the first shard."""
    plan, found = Plan(run), {}
    shard = build(run.input).listing().shards[0]
    for table in read(run, shard, BitMap(done)):
        for row in plan(table).to_pylist():
            found[row["key"]] = [edit["target_word"] for edit in row["edits"]]
    return found


def loads(rows: Any) -> Counter[str]:
    return Counter(row["target_word"] for row in rows.values() if row["edit"])


def even(counts: Counter[str]) -> bool:
    return len(counts) == len(COLOURS) and max(counts.values()) - min(counts.values()) <= 1


def test_a_plan_is_of_the_shard_whatever_its_chunks_and_where_it_is_resumed(tmp_path: Path) -> None:
    source = tar(tmp_path / "in")
    whole = targets(config(source, tmp_path / "out", run={"chunk_rows": 64}))
    assert even(Counter(target for found in whole.values() for target in found))
    for chunk_rows in (1, 5):
        some = config(source, tmp_path / "out", run={"chunk_rows": chunk_rows})
        assert targets(some) == whole
    rest = targets(config(source, tmp_path / "out", run={"chunk_rows": 4}), done=(0, 2))
    assert rest == {key: whole[key] for key in rest} and len(rest) == len(CAPTIONS) - 8


def test_a_limit_is_balanced_in_itself(tmp_path: Path) -> None:
    limited = config(tar(tmp_path / "in"), tmp_path / "out", run={"limit": 8})
    counts = Counter(target for found in targets(limited).values() for target in found)
    assert sorted(counts.values()) == [2, 3, 3]  # a red mug becomes anything but red


def test_a_folder_resumed_in_the_middle_gives_what_it_gave(
    tmp_path: Path, tiny_model: Path, edit: Any, results: Any
) -> None:
    source = folder(tmp_path / "in", CAPTIONS)
    run = config(source, tmp_path / "out", tiny_model, input={"type": "folder"})
    edit(run)
    whole = results(tmp_path / "out")
    assert even(loads(whole))
    for record in (tmp_path / "out" / "_state" / "commits").glob("*/0000[13]-r0.json"):
        record.unlink()
    edit(run)
    again = results(tmp_path / "out")
    assert again.keys() == whole.keys()
    assert {name: row["target_word"] for name, row in again.items()} == {
        name: row["target_word"] for name, row in whole.items()
    }
    folder(source, ["a red mug"] * 8, first=100)
    edit(run)
    grown = results(tmp_path / "out")
    new = {name: row for name, row in grown.items() if name[1] >= "100"}
    assert len(new) == 8 and max(loads(new).values()) == 3
    assert {name: grown[name]["target_word"] for name in whole} == {
        name: row["target_word"] for name, row in whole.items()
    }


def test_on_ray_and_without_the_rows_are_the_same(
    tmp_path: Path, tiny_model: Path, edit: Any, results: Any, ray_here: None
) -> None:
    source = tar(tmp_path / "in")
    for name, local in (("ray", False), ("here", True)):
        edit(config(source, tmp_path / name, tiny_model), local=local)
    ray, here = results(tmp_path / "ray"), results(tmp_path / "here")
    assert even(loads(here)) and here.keys() == ray.keys()
    for name, row in here.items():
        same = ("target_prompt", "instruction", "edit_type", "source_word", "edited")
        assert [row[column] for column in same] == [ray[name][column] for column in same]
        assert row["edit_type"] == "colour" and row["source_word"] in row["caption"]


def test_the_plan_tells_how_often_each_target_comes(tmp_path: Path) -> None:
    from pipeline.engine.estimate import estimate

    told = estimate(config(tar(tmp_path / "in"), tmp_path / "out"))
    assert told.exact and told.edits == 16
    facts = dict(told.targets())
    assert facts["targets of colour"] == "blue 4, green 4, red 4, white 4"
    assert facts["swaps of colour"].startswith("red → ")
