from __future__ import annotations

import json
import tarfile
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from pipeline.engine.tally import Tally
from pipeline.errors import BugError, RunError, UsageError
from pipeline.rows import Chunk, Spent
from pipeline.sinks import part
from pipeline.sinks.commits import create_commit, load_progress, read_commits
from pipeline.sinks.files import Files
from pipeline.sinks.output import Output
from pipeline.sinks.part import write_part
from pipeline.sinks.runs import runs
from pipeline.sinks.sweep import sweep
from pipeline.sinks.verify import verify
from tests.sinks.tables import chunk_table, died, edited, made, passed, rejected, run_config, table

MODEL = {"model": "tiny", "weights": "ab12"}


@pytest.fixture
def output(tmp_path: Path) -> Output:
    return made(run_config(str(tmp_path / "out")), MODEL)


class Shard:
    def __init__(self, path: str, version: str = "v1") -> None:
        self.path, self.version = path, version


def files(output: Output) -> dict[str, bytes]:
    root = Path(output.root)
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


def contents(output: Output) -> set[tuple[str, bytes]]:
    """The parts, whatever the attempt's token in their names."""
    return {
        (name.rpartition("-")[0], data)
        for name, data in files(output).items()
        if not name.startswith("_state")
    }


def test_a_part_counts_what_it_wrote(output: Output) -> None:
    commit = write_part(output, chunk_table("a/00.tar", 0))
    counts = (commit.rows, commit.planned, commit.written, commit.dead, commit.passed)
    assert counts == (4, 5, 3, 2, 1)
    assert commit.dead_by_kind == {"edit/nan": 1, "edit/undecodable": 1}
    assert commit.ordinals == [(0, 3)]
    assert {f.path.partition("/")[0] for f in commit.files} == {"edits", "webdataset", "dead"}
    assert list(read_commits(output)) == [commit]


def test_a_living_row_carries_its_whole_provenance(output: Output) -> None:
    write_part(output, chunk_table("a/00.tar", 0))
    (path,) = Path(output.root, "edits").iterdir()
    row = pq.read_table(path).to_pylist()[0]
    assert row["model"] == "tiny" and row["weights"] == "ab12"
    assert row["fingerprint"] == output.fingerprint and row["code_version"]
    assert row["shard"] == "a/00.tar" and row["key"] == "img.0" and row["edit"] == "blue"
    assert row["seed"] == 11 and row["guidance_scale"] == 7.5 and row["score_edit_change"] == 3.0
    assert json.loads(row["settings"])["mask"]["noise_maps"] == 10
    assert row["source"]["bytes"].startswith(b"\xff\xd8") and row["source"]["path"] == "source.jpg"
    assert row["input"] == "unread" and row["run"] == output.run and row["run_seed"] == 0


def test_a_dead_letter_keeps_every_input_column(output: Output) -> None:
    write_part(output, chunk_table("a/00.tar", 0))
    (path,) = Path(output.root, "dead").iterdir()
    edit, image = pq.read_table(path).to_pylist()
    assert (edit["error_kind"], edit["edit"], edit["key"]) == ("nan", "green", "img.1")
    assert image["source"]["bytes"] == b"not a picture" and image["columns"] == '{"sku": "A-1"}'
    assert edit["id"].startswith(f"{output.run}-img_1-green-") and edit["id"] != image["id"]
    assert image["error_message"] and image["caption"] == "a red mug"


def test_the_same_rows_give_the_same_bytes(output: Output, tmp_path: Path) -> None:
    other = made(run_config(str(tmp_path / "other")), MODEL)
    write_part(output, chunk_table("a/00.tar", 0))
    write_part(other, chunk_table("a/00.tar", 0))
    assert contents(output) == contents(other)


def test_the_time_it_took_stands_in_the_record_alone(output: Output, tmp_path: Path) -> None:
    other = made(run_config(str(tmp_path / "other")), MODEL)
    rows = chunk_table("a/00.tar", 0)
    commit = write_part(output, Spent(2.5, 0.25).noted(rows))
    assert (commit.model_seconds, commit.idle_seconds) == (2.5, 0.25)
    assert [commit] == list(read_commits(output))
    write_part(other, rows)
    assert contents(output) == contents(other)
    assert Tally(1).idle_share is None
    assert Tally(1).add(commit).add(commit).idle_share == 0.5 / 5.5


def test_a_committed_chunk_is_not_written_again(output: Output) -> None:
    commit = write_part(output, chunk_table("a/00.tar", 0))
    before = files(output)
    assert write_part(output, table([edited("a/00.tar", 0, 0, "blue")])) == commit
    assert files(output) == before


def test_an_attempt_that_was_killed_leaves_nothing_behind_the_next(output: Output) -> None:
    write_part(output, chunk_table("a/00.tar", 0))
    for record in Path(output.root, "_state/commits").rglob("*.json"):
        record.unlink()
    commit = write_part(output, chunk_table("a/00.tar", 0))
    assert len(sweep(output, load_progress(output))) == 3
    assert not verify(output).problems and {f.path for f in commit.files} == {
        name for name in files(output) if not name.startswith("_state")
    }


def test_an_edit_that_vanished_between_plan_and_write_is_a_bug(output: Output) -> None:
    with pytest.raises(BugError, match=r"\[3\]"):
        write_part(output, table([edited("a", 0, 3, "blue", planned=2)]))
    twice = edited("a", 0, 3, "blue")
    with pytest.raises(BugError):
        write_part(output, table([twice, twice]))
    assert not list(read_commits(output))


def test_a_chunk_with_nothing_to_write_is_committed_too(output: Output) -> None:
    commit = write_part(output, table([passed(edited("a", 0, 0, "blue", last=True))]))
    assert (commit.planned, commit.passed, commit.files) == (0, 1, [])
    assert load_progress(output).finished(Shard("a"))


def test_without_webdataset_there_is_no_tar(tmp_path: Path) -> None:
    output = made(run_config(str(tmp_path / "out"), output={"formats": ["parquet"]}))
    write_part(output, chunk_table("a", 0))
    assert not Path(output.root, "webdataset").exists()
    assert not verify(output).problems


def test_hostile_names_stay_inside_the_output(output: Output) -> None:
    row = edited("../../../etc/x y.tar", 0, 0, "a/../b", key="../../passwd.\x00\n", last=True)
    write_part(output, table([row]))
    assert not verify(output).problems
    (tar,) = Path(output.root, "webdataset").iterdir()
    with tarfile.open(tar) as opened:
        for name in opened.getnames():
            assert ".." not in name and "/" not in name and name.isprintable()


def test_a_full_disk_ends_the_run_with_one_line(output: Output, monkeypatch) -> None:
    import errno
    import os

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("pipeline.storage.os.fsync", full)
    with pytest.raises(RunError, match=r"cannot write a part: No space left on device$"):
        write_part(output, chunk_table("a", 0))
    monkeypatch.undo()
    assert list(files(output)) == ["_state/run.json"]


def test_runs_of_ordinals() -> None:
    assert runs([]) == []
    assert runs([0, 1, 2, 5, 7, 8]) == [(0, 2), (5, 5), (7, 8)]


def test_resume_knows_what_is_done_from_a_listing_and_a_record_a_shard(output: Output) -> None:
    write_part(output, chunk_table("a", 0))
    write_part(output, chunk_table("a", 2, last=True))
    for record in Path(output.root, "_state/commits").rglob("00000-*.json"):
        record.write_bytes(b"")
    progress = load_progress(output)
    assert list(progress.done(Shard("a"))) == [0, 2] and not progress.finished(Shard("a"))
    assert list(progress.done(Shard("b"))) == []
    write_part(output, chunk_table("a", 1))
    assert load_progress(output).finished(Shard("a"))


def test_a_shard_that_changed_is_refused(output: Output) -> None:
    write_part(output, chunk_table("a/00.tar", 0))
    with pytest.raises(UsageError, match=r"shard a/00.tar changed .* v1, now v2"):
        load_progress(output).done(Shard("a/00.tar", "v2"))


def attempt_without_record(output: Output, chunk: int) -> None:
    """The files of an attempt at `chunk` that never committed."""
    (shard,) = Path(output.root, "_state/commits").iterdir()
    write_part(output, chunk_table("a", chunk))
    (shard / f"{chunk:05d}-r0.json").unlink()


def test_sweep_removes_what_can_never_count_and_nothing_else(output: Output) -> None:
    write_part(output, chunk_table("a", 0))
    attempt_without_record(output, 1)
    waiting = files(output)
    assert sweep(output, load_progress(output)) == []
    write_part(output, chunk_table("a", 1))
    attempt_without_record(output, 2)
    standing = files(output)
    part = next(Path(output.root, "edits").glob("*-00000-r0-*"))
    half = part.with_name(f".{part.name}.12345678.tmp")
    half.write_bytes(b"half")
    Path(output.root, "edits", "notes.txt").write_text("mine")
    removed = sweep(output, load_progress(output))
    assert len(removed) == 4 and f"edits/{half.name}" in removed
    orphans = {name for name in waiting if "-00001-" in name}
    assert set(removed) - {f"edits/{half.name}"} == orphans
    assert files(output).keys() == standing.keys() - orphans | {"edits/notes.txt"}


def test_of_two_attempts_at_a_chunk_one_counts(output: Output) -> None:
    first = write_part(output, chunk_table("a", 0))
    rows = chunk_table("a", 0)
    attempt = part._written(Files(output, first.name), Chunk.of(rows), rows, None, ())
    assert not create_commit(output, attempt) and part._lost(output, attempt, None) == first
    assert not verify(output).problems and not verify(output).warnings[1:]
    assert len(list(Path(output.root, "edits").iterdir())) == 1


def test_a_shard_of_two_versions_is_refused_by_the_writer(output: Output) -> None:
    write_part(output, chunk_table("a", 0))
    with pytest.raises(UsageError, match=r"shard a changed .* v1, now v2"):
        write_part(output, chunk_table("a", 1, version="v2"))


def test_chunk_of_a_table() -> None:
    assert Chunk.of(chunk_table("a", 3, last=True)) == Chunk("a", "v1", 3, True)


def test_a_rejected_edit_keeps_its_pictures_scores_and_reason(output: Output) -> None:
    row = edited("a", 0, 0, "blue")
    commit = write_part(output, table([rejected(row), died(edited("a", 0, 1, "blue"), "check")]))
    assert (commit.planned, commit.written, commit.rejected, commit.dead) == (2, 0, 1, 1)
    assert commit.rejected_by == {"edit_change": 1} and commit.dead_by_kind == {"check/nan": 1}
    (path,) = Path(output.root, "rejected").iterdir()
    (kept,) = pq.read_table(path).to_pylist()
    for name in ("source", "edited", "mask"):
        assert kept[name]["bytes"] == row["image" if name == "source" else name]
    assert kept["score_edit_change"] == 3.0 and kept["rejected_by"] == "edit_change"
    assert kept["reason"] == "check.keep.edit_change: 3 is below 5"
    write_part(output, table([edited("a", 1, 4, "blue")]))
    (whole,) = Path(output.root, "edits").iterdir()
    there = pq.read_schema(path)
    assert there.names[:-2] == pq.read_schema(whole).names
    assert verify(output).problems == []


def test_two_rows_of_a_chunk_that_are_named_alike_are_a_bug(output: Output) -> None:
    twins = [edited("a", 0, ordinal, "blue", key="one") for ordinal in (0, 1)]
    with pytest.raises(BugError, match="share an id"):
        write_part(output, table(twins))
    assert not list(read_commits(output))


def test_shards_whose_names_fold_to_one_text_are_told_apart(output: Output) -> None:
    for shard in ("橙麻皿赤絵", "茶木瓶紺本", "A.tar", "a.tar"):
        write_part(output, chunk_table(shard, 0, last=True))
    assert {commit.shard for commit in read_commits(output)} == {
        "橙麻皿赤絵",
        "茶木瓶紺本",
        "A.tar",
        "a.tar",
    }
    assert verify(output).problems == []


def test_another_shard_under_a_shard_s_name_is_refused(
    output: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.sinks.layout.digest", lambda text: "0" * 24)
    write_part(output, chunk_table("b/a", 0))
    with pytest.raises(UsageError, match="the shards b-a and b/a share one name in the output"):
        write_part(output, chunk_table("b-a", 1))
    with pytest.raises(UsageError, match="share one name in the output"):
        load_progress(output).finished(Shard("b-a"))
