"""What is removed is gone from every format and stays counted."""

from __future__ import annotations

import json
import uuid
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from pipeline.errors import RunError
from pipeline.report import write_report
from pipeline.report.collect import collect
from pipeline.sinks import remove as module
from pipeline.sinks.commits import load_progress, read_commits
from pipeline.sinks.layout import sample_id
from pipeline.sinks.output import Output
from pipeline.sinks.part import write_part
from pipeline.sinks.publish import describe, publish
from pipeline.sinks.remove import remove
from pipeline.sinks.replay import replayable
from pipeline.sinks.sweep import sweep
from pipeline.sinks.verify import verify
from pipeline.storage import Storage
from tests.sinks.tables import chunk_table, made, run_config
from tests.sinks.test_replay import again


@pytest.fixture
def output(tmp_path: Path) -> Output:
    """Two chunks, each with three edits, a dead one and a dead image."""
    output = made(run_config(str(tmp_path / "out")))
    for chunk in range(2):
        write_part(output, chunk_table("a", chunk, last=chunk == 1))
    return output


def named(output: Output, ordinal: int, edit: str) -> str:
    return sample_id(output.run, "a", f"img.{ordinal}", edit)


def everything(output: Output) -> bytes:
    """All that is published, in one."""
    files = [path for path in Path(output.root).rglob("*") if path.is_file()]
    return b"".join(path.read_bytes() for path in files if "_state" not in path.parts)


def test_an_edit_leaves_every_format_and_stays_counted(output: Output) -> None:
    name, kept = named(output, 0, "blue"), named(output, 0, "green")
    assert everything(output).count(name.encode()) > 1
    assert remove(output, [name]) == (1, [])
    assert name.encode() not in everything(output)
    assert kept.encode() in everything(output)
    found = verify(output)
    assert found.problems == found.warnings == []
    assert (found.planned, found.written, found.dead, found.removed) == (10, 5, 4, 1)
    assert "written 5, dead 4, removed 1, passed 2; all well" in found.line()
    summary = collect(output, gallery=9)
    assert summary.adds_up and summary.counts["removed"] == 1 and len(summary.gallery) == 5
    assert "| removed since | 1 |" in Path(output.root, "README.md").read_text()


def test_the_report_that_may_show_it_goes_too(output: Output) -> None:
    write_report(output)
    assert remove(output, ["nobody"]) == (0, ["nobody"])
    assert Path(output.root, "report.html").exists()
    remove(output, [named(output, 0, "blue")])
    assert not Path(output.root, "report.html").exists()


def test_a_dead_letter_goes_with_its_picture(output: Output) -> None:
    name = sample_id(output.run, "a", "img.3", "")
    assert remove(output, [name]) == (1, [])
    (first, second) = read_commits(output)
    assert first.dead_by_kind == {"edit/nan": 1} and first.dead_ordinals == [(1, 1)]
    assert second.dead == 2 and verify(output).problems == []


def test_a_resume_does_not_bring_it_back(output: Output) -> None:
    name = named(output, 0, "blue")
    remove(output, [name])
    commit = write_part(output, chunk_table("a", 0))
    assert commit.removed_ids == [name]
    sweep(output, load_progress(output))
    assert name.encode() not in everything(output) and verify(output).problems == []


def test_again_is_no_harm_and_what_is_unknown_is_told(output: Output) -> None:
    names = [named(output, 0, "blue"), named(output, 4, "green")]
    assert remove(output, [names[0], "no-such-id"]) == (1, ["no-such-id"])
    assert remove(output, names) == (1, [])
    before = everything(output)
    assert remove(output, names) == (0, [])
    assert everything(output) == before and verify(output).removed == 2


def test_all_of_a_chunk(output: Output) -> None:
    ids = pq.read_table(Path(output.root, "edits"), columns=["id"])["id"].to_pylist()
    ids += pq.read_table(Path(output.root, "dead"), columns=["id"])["id"].to_pylist()
    assert remove(output, ids) == (10, [])
    assert verify(output).problems == [] and verify(output).removed == 10
    files = {p.name for p in Path(output.root).rglob("*") if "_state" not in p.parts}
    assert not [name for name in files if name.endswith(".tar")]


def test_replays_before_and_after_keep_the_sum(output: Output) -> None:
    before, *_ = replayable(output, ("nan",))
    write_part(output, again(output, before, ("nan",)), before)
    sweep(output, load_progress(output))
    name = named(output, 1, "green")  # made by the replay
    assert remove(output, [name, named(output, 0, "blue")]) == (2, [])
    assert verify(output).problems == []
    before, *_ = replayable(output, ("undecodable",))
    commit = write_part(output, again(output, before, ("undecodable",)), before)
    assert (commit.planned, commit.written, commit.dead, commit.removed) == (6, 4, 0, 2)
    sweep(output, load_progress(output))
    assert verify(output).problems == verify(output).warnings == []


def test_killed_before_the_sweep_the_next_removes_the_rest(
    output: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = named(output, 0, "blue")

    def killed(*_: object) -> None:
        raise RunError("killed")

    monkeypatch.setattr(module, "sweep", killed)
    with pytest.raises(RunError, match="killed"):
        remove(output, [name])
    monkeypatch.undo()
    assert name.encode() in everything(output)
    index = json.loads(Path(output.root, "webdataset", "index.json").read_text())
    assert sum(shard["nsamples"] for shard in index["shardlist"]) == 5
    assert remove(output, [name]) == (0, [])
    assert name.encode() not in everything(output) and verify(output).warnings == []


def test_from_tars_alone(tmp_path: Path) -> None:
    output = made(run_config(str(tmp_path / "out"), output={"formats": ["webdataset"]}))
    write_part(output, chunk_table("a", 0, last=True))
    publish(output)
    name = named(output, 0, "blue")
    assert remove(output, [name]) == (1, [])
    assert name.encode() not in everything(output) and verify(output).problems == []
    assert collect(output, gallery=9).counts["written"] == 2
    assert len(collect(output, gallery=9).gallery) == 2


def test_a_removed_edit_that_is_there_is_a_problem(output: Output) -> None:
    name = named(output, 0, "blue")
    commit = next(read_commits(output))
    record = next(Path(output.root, "_state/commits").rglob("00000-r0.json"))
    told = commit.model_copy(update={"removed_ids": [name], "planned": commit.planned + 1})
    record.write_text(told.model_dump_json())
    assert any(f"{name} was removed, and is there" in p for p in verify(output).problems)


def test_on_s3(moto: Storage) -> None:
    place = {"storage": moto}
    output = made(run_config(f"s3://input/removed-{uuid.uuid4().hex[:8]}", output=place))
    describe(output)
    write_part(output, chunk_table("a", 0, last=True))
    name = named(output, 0, "blue")
    assert remove(output, [name, sample_id(output.run, "a", "img.3", "")]) == (2, [])
    found = verify(output)
    assert (found.problems, found.warnings) == ([], [])
    assert (found.written, found.dead, found.removed) == (2, 1, 2)
    there = output.fs.find(output.root)
    assert not [path for path in there if "_state" not in path and "-r0-" in path]
    assert b"| removed since | 2 |" in output.fs.cat_file(f"{output.root}/README.md")
