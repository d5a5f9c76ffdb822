from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from pipeline.errors import RunError
from pipeline.report.collect import collect
from pipeline.rows import READ_SCHEMA
from pipeline.sinks import dead
from pipeline.sinks.commits import Commit, load_progress, read_commits
from pipeline.sinks.output import Output
from pipeline.sinks.part import write_part
from pipeline.sinks.replay import load, replayable, unreadable
from pipeline.sinks.sweep import sweep
from pipeline.sinks.verify import verify
from tests.sinks.tables import chunk_table, died, edited, made, run_config, table


@pytest.fixture
def output(tmp_path: Path) -> Output:
    """Three chunks, each with a dead edit (nan) and a dead image (undecodable, never planned)."""
    output = made(run_config(str(tmp_path / "out")))
    for chunk in range(3):
        write_part(output, chunk_table("a", chunk, last=chunk == 2))
    return output


def replay(output: Output, kinds: tuple[str, ...], fixed: bool = True) -> None:
    """Runs the letters through stages that edit everything (`fixed`), or fail again."""
    for before in list(replayable(output, kinds)):
        write_part(output, again(output, before, kinds, fixed), before)


def again(output: Output, before: Commit, kinds: tuple[str, ...], fixed: bool = True) -> pa.Table:
    unplanned, planned = load(output, before, kinds)
    rows = [_result(row, edit, fixed) for row in planned.to_pylist() for edit in row["edits"]]
    for row in unplanned.to_pylist():
        edits = [{"name": "blue"}, {"name": "green"}] if fixed else [{"name": None}]
        rows += [_result({**row, "planned": len(edits)}, edit, fixed) for edit in edits]
    return table(rows)


def _result(row: dict[str, Any], edit: dict[str, Any], fixed: bool) -> dict[str, Any]:
    kept = {k: v for k, v in row.items() if k not in ("edits", "image")}
    made = edited(row["shard"], row["chunk"], row["ordinal"], edit["name"]) | kept
    return made if fixed else died(made, "edit", "nan")


def counts(output: Output) -> tuple[int, ...]:
    commits = list(read_commits(output))
    names = ("rows", "planned", "written", "dead", "passed")
    return tuple(sum(getattr(commit, name) for commit in commits) for name in names)


def letters(output: Output) -> list[tuple[int, str | None, str]]:
    rows = [row for part in dead.read(output) for row in part.to_pylist()]
    return sorted((row["ordinal"], row["edit"], row["error_kind"]) for row in rows)


def test_a_dead_letter_comes_back_as_the_row_it_was(output: Output) -> None:
    unplanned, planned = load(output, next(replayable(output, ())), ())
    assert unplanned.schema == READ_SCHEMA
    (image,) = unplanned.to_pylist()
    assert (image["ordinal"], image["image"], image["error_kind"]) == (3, b"not a picture", None)
    (row,) = planned.to_pylist()
    assert (row["ordinal"], row["planned"], row["caption"]) == (1, 1, "a red mug")
    assert [edit["name"] for edit in row["edits"]] == ["green"]
    assert row["edits"][0]["target_prompt"] == "a green mug"


def test_a_replay_turns_letters_into_edits_exactly_once(output: Output) -> None:
    assert counts(output) == (12, 15, 9, 6, 3)
    replay(output, ("nan",))
    sweep(output, load_progress(output))
    assert counts(output) == (12, 15, 12, 3, 3)
    assert {kind for _, _, kind in letters(output)} == {"undecodable"}
    assert len(list(Path(output.root, "dead").iterdir())) == 3
    replay(output, ())
    sweep(output, load_progress(output))
    # An image that never had a plan has two edits now.
    assert counts(output) == (12, 18, 18, 0, 3)
    assert not list(Path(output.root, "dead").iterdir()) and not list(replayable(output, ()))
    assert verify(output).problems == verify(output).warnings == []


def test_what_fails_again_stays_dead(output: Output) -> None:
    before = counts(output)
    for _ in range(3):
        replay(output, ("nan",), fixed=False)
    assert counts(output) == before
    assert len(letters(output)) == 6
    sweep(output, load_progress(output))
    assert verify(output).problems == verify(output).warnings == []


def test_a_replay_that_was_killed_is_gone_on_with_by_the_next(output: Output) -> None:
    before, *_ = replayable(output, ())
    commit = write_part(output, again(output, before, ("nan",)), before)
    assert (commit.generation, commit.planned, commit.written, commit.dead) == (1, 5, 4, 1)
    replay(output, ())
    sweep(output, load_progress(output))
    assert counts(output) == (12, 18, 18, 0, 3)
    assert not verify(output).problems


def test_a_replay_that_wakes_after_another_took_its_letters_does_no_harm(output: Output) -> None:
    slept, *_ = replayable(output, ())
    rows = again(output, slept, ("nan",))
    replay(output, ("undecodable",))
    replay(output, ("nan",))
    sweep(output, load_progress(output))
    there = sorted(path for path in Path(output.root).rglob("*") if path.is_file())
    with pytest.raises(RunError, match="another replay took these dead letters"):
        write_part(output, rows, slept)
    assert counts(output) == (12, 18, 18, 0, 3) and not verify(output).problems
    assert sorted(path for path in Path(output.root).rglob("*") if path.is_file()) == there


def test_a_replay_does_not_count_as_progress_of_the_shard(output: Output) -> None:
    for record in Path(output.root, "_state/commits").rglob("00001-*.json"):
        record.unlink()
    replay(output, ())
    progress = load_progress(output)
    assert len(progress.unfinished()) == 1


def test_superseded_letters_are_no_longer_read_before_the_sweep(output: Output) -> None:
    replay(output, ())
    assert letters(output) == []
    assert len(list(Path(output.root, "dead").iterdir())) == 3
    assert not verify(output).problems and len(verify(output).warnings) == 3


def test_report_and_verify_count_what_was_replayed_once(output: Output) -> None:
    for kind in ("nan", "undecodable"):
        replay(output, (kind,))
        found, checked = collect(output, gallery=0), verify(output)
        assert found.adds_up
        names = ("rows", "planned", "written", "dead", "passed")
        assert tuple(found.counts[name] for name in names) == counts(output)
        assert (checked.chunks, checked.rows) == (found.chunks["a"], 12) == (3, 12)
    assert {group: letters.count for group, letters in found.dead.items()} == {}
    assert unreadable(output) == 0


def test_a_generation_that_lost_edits_is_a_problem(output: Output) -> None:
    replay(output, ("nan",))
    record = next(Path(output.root, "_state/commits").glob("*/00001-r1.json"))
    content = json.loads(record.read_text())
    content["files"] = [file for file in content["files"] if "-r1-" in file["path"]]
    record.write_text(json.dumps(content))
    assert any("replay 1 lost edits" in problem for problem in verify(output).problems)


def test_what_could_not_be_read_is_not_replayed(tmp_path: Path) -> None:
    output = made(run_config(str(tmp_path / "out")))
    row = {**edited("a", 0, 0, "blue"), "edit": None, "image": None}
    write_part(output, table([died(row, "read", "truncated_shard")]))
    assert list(replayable(output, ())) == []
    assert unreadable(output) == 1


def test_letters_make_one_table_of_the_planned_schema(output: Output) -> None:
    for before in replayable(output, ()):
        for part in load(output, before, ()):
            assert isinstance(part, pa.Table) and len(set(part["chunk"].to_pylist())) <= 1
