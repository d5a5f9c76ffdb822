"""Edits move between written and rejected by other bounds: exactly once, wherever it is killed."""

from __future__ import annotations

import io
import tarfile
import uuid
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from pipeline import storage
from pipeline.config import RunConfig
from pipeline.errors import RunError, UsageError
from pipeline.rows import ERROR, Listed, name_digest
from pipeline.sinks import bounds, files, recheck, webdataset
from pipeline.sinks.commits import create_commit, load_progress, read_commits
from pipeline.sinks.output import Output, existing_output, open_output
from pipeline.sinks.part import write_part
from pipeline.sinks.publish import describe, publish
from pipeline.sinks.remove import remove
from pipeline.sinks.replay import replayable
from pipeline.sinks.sweep import sweep
from pipeline.sinks.verify import verify
from pipeline.storage import Storage
from tests.sinks.tables import died, edited, made, rejected, run_config, table
from tests.sinks.test_replay import again

FORMATS = [["parquet", "webdataset"], ["parquet"], ["webdataset"]]
KEEP = {"edit_change": {"min": 5.0}}


def config(path: object, formats: list[str] | None = None, **more: Any) -> RunConfig:
    output = {"formats": formats or FORMATS[0], **more.pop("output", {})}
    return run_config(str(path), check={"keep": KEEP}, output=output, **more)


def filled(made_with: RunConfig) -> Output:
    """Two chunks of four pictures with two edits, scored 0 to 15; those below 5 are rejected."""
    output = made(made_with)
    describe(output)
    for chunk in range(2):
        rows = [row for at in range(4) for row in _picture(chunk, 4 * chunk + at)]
        write_part(output, table(rows))
    publish(output)
    return output


def _picture(chunk: int, ordinal: int) -> Iterator[dict[str, Any]]:
    here = {"planned": 2, "last": chunk == 1}
    for number, name in enumerate(("blue", "green")):
        score = float(2 * ordinal + number)
        row = edited("a", chunk, ordinal, name, score_edit_change=score, **here)
        if (ordinal, name) == (6, "green"):
            yield died(row)
        else:
            yield rejected(row) if score < 5 else row


@pytest.fixture
def output(tmp_path: Path) -> Output:
    return filled(config(tmp_path / "out"))


def moved(output: Output, *overrides: str, dry: bool = False) -> recheck.Moved:
    there = existing_output(output.path, output.storage.endpoint_url)
    return recheck.recheck(there, bounds.changed(there, overrides), dry)


def pictures(output: Output) -> dict[str, tuple[str, float, bytes, bytes]]:
    """What readers find: id → (where, score, edited, mask), of Parquet, and of tars alone."""
    found = {}
    for commit in read_commits(output):
        for file in commit.files:
            path = Path(output.root, file.path)
            if file.kind in ("edits", "rejected"):
                rows = pq.read_table(path).to_pylist()
            elif file.kind == "webdataset" and "parquet" not in output.formats:
                rows = list(webdataset.rows(path.read_bytes()))
            else:
                continue
            for row in rows:
                assert row["id"] not in found
                two = row["edited"]["bytes"], row["mask"]["bytes"]
                kind = "rejected" if file.kind == "rejected" else "written"
                found[row["id"]] = (kind, row["score_edit_change"], *two)
    return found


def written(output: Output) -> list[float]:
    return sorted(score for kind, score, *_ in pictures(output).values() if kind == "written")


def samples(output: Output) -> dict[str, dict[str, bytes]]:
    tars = Path(output.root, "webdataset").glob("*.tar")
    return {name: of for tar in tars for name, of in webdataset.samples(tar.read_bytes())}


def well(output: Output, planned: int = 16) -> None:
    found = verify(output)
    assert (found.problems, found.warnings) == ([], [])
    assert found.planned == planned == found.written + found.rejected + found.dead + found.removed


@pytest.mark.parametrize("formats", FORMATS, ids="-".join)
def test_edits_move_both_ways_with_their_pictures(tmp_path: Path, formats: list[str]) -> None:
    output = filled(config(tmp_path / "out", formats))
    before, tars = pictures(output), samples(output)
    well(output)
    up = moved(output, "check.keep.edit_change.min=9")
    assert (up.to_rejected, up.to_written, up.chunks) == (4, 0, 2)
    assert (up.written, up.rejected, up.rejected_by) == (6, 9, {"edit_change": 9})
    assert written(output) == [9.0, 10.0, 11.0, 12.0, 14.0, 15.0]
    well(output)
    down = moved(output, "check.keep.edit_change.min=2")
    assert (down.to_rejected, down.to_written) == (0, 7)
    after = pictures(output)
    assert {k: v[1:] for k, v in after.items()} == {k: v[1:] for k, v in before.items()}
    well(output)
    assert moved(output, "check.keep.edit_change.min=5").chunks == 1
    assert pictures(output) == before
    if "webdataset" in formats:
        assert samples(output) == tars
    well(output)


def test_what_moved_is_as_if_the_run_had_had_the_bounds(tmp_path: Path) -> None:
    """Rows, their order and reasons, but for the fingerprint that a row was edited under."""
    output = filled(config(tmp_path / "out"))
    moved(output, "check.keep.edit_change.min=7")
    for kind in ("edits", "rejected"):
        (path,) = Path(output.root, kind).glob("*-00000-*")
        rows = pq.read_table(path).to_pylist()
        assert [row["ordinal"] for row in rows] == sorted(row["ordinal"] for row in rows)
        assert {row["fingerprint"] for row in rows} == {output.fingerprint}
    told = {row["score_edit_change"]: row["reason"] for row in rows}
    assert told[6.0] == "check.keep.edit_change: 6 is below 7"
    assert told[0.0] == "check.keep.edit_change: 0 is below 7", "a reason is of the bounds in force"
    file = pq.ParquetFile(path)
    assert b"huggingface" in file.metadata.metadata


def test_a_tar_loses_what_is_rejected_and_its_index_says_so(output: Output) -> None:
    moved(output, "check.keep.edit_change.min=9")
    names = {name for tar in Path(output.root, "webdataset").glob("*.tar") for name in _names(tar)}
    ids = {name for name, (kind, *_) in pictures(output).items() if kind == "written"}
    assert {name.partition(".")[0] for name in names} == ids
    index = Path(output.root, "webdataset/index.json").read_text()
    assert len(list(Path(output.root, "webdataset").glob("*.tar"))) == index.count("nsamples") == 1
    card = Path(output.root, "README.md").read_text()
    assert "Bounds in force: edit_change min 9." in card
    assert "| edits rejected by a bound | 9 |" in card


def _names(tar: Path) -> list[str]:
    with tarfile.open(tar) as opened:
        return opened.getnames()


def test_a_score_that_is_not_there_and_another_key_are_one_line(output: Output) -> None:
    for override, said in (
        ("check.keep.beauty.min=1", r"check.keep.beauty: .* no such score; it has: mask_area, b"),
        ("edit.steps=9", "a recheck changes check.keep and nothing else"),
        ("check.keep.edit_change.least=9", r"check.keep.edit_change.least: "),
        ("check.keep.edit_change.min=high", r"check.keep.edit_change.min: "),
        ("check.keep=3", "expected a mapping"),
    ):
        with pytest.raises(UsageError, match=said) as error:
            moved(output, override)
        assert len(str(error.value).splitlines()) == 1
    assert bounds.in_force(output).number == 0


def test_a_bound_can_be_taken_away_and_a_null_passes_none(output: Output) -> None:
    row = edited("b", 0, 0, "blue", score_edit_change=None, last=True)
    write_part(output, table([row]))
    assert moved(output, "check.keep.edit_change=null").rejected == 0
    assert moved(output, "check.keep.edit_change={max: 3}").written == 4
    assert moved(output, "check.keep={background_psnr: {min: 1}}").rejected == 0
    well(output, 17)


def test_a_dry_run_says_and_does_nothing(output: Output) -> None:
    before = {p: p.read_bytes() for p in Path(output.root).rglob("*") if p.is_file()}
    said = moved(output, "check.keep.edit_change.min=9", dry=True)
    assert (said.to_rejected, said.written, said.chunks) == (4, 6, 2)
    assert {p: p.read_bytes() for p in Path(output.root).rglob("*") if p.is_file()} == before


def test_the_output_remembers_its_bounds(output: Output, tmp_path: Path) -> None:
    moved(output, "check.keep.edit_change.min=9")
    assert open_output(config(tmp_path / "out")).run == output.run, "the config of the run goes on"
    same = run_config(
        str(tmp_path / "out"),
        check={"keep": {"edit_change": {"min": 9}}},
        output={"formats": FORMATS[0]},
    )
    there = open_output(same)
    assert there.fingerprint == output.fingerprint, "and one that says what is in force"
    other = run_config(str(tmp_path / "out"), check={"keep": {"edit_change": {"min": 7}}})
    with pytest.raises(UsageError, match=r"check.keep.edit_change.min: 5.0 → 7.0\n.*recheck"):
        open_output(other)
    assert moved(output).chunks == 0, "nothing is left to do"
    assert bounds.in_force(output).number == 1


class Killed(BaseException):
    """Ends the process as far as the test goes."""


def killed_at(patch: pytest.MonkeyPatch, step: int) -> list[int]:
    """Ends the process before the `step`-th change of the store; the list counts them."""
    count = [0]

    def counted(original: Any, *args: Any, **named: Any) -> Any:
        count[0] += 1
        if count[0] == step:
            raise Killed
        return original(*args, **named)

    for name in ("create", "put", "remove"):
        patch.setattr(storage, name, partial(counted, getattr(storage, name)))
    patch.setattr(files, "stream", partial(counted, files.stream))
    return count


@pytest.mark.parametrize("formats", FORMATS[:1] + FORMATS[2:], ids="-".join)
def test_killed_at_any_step_the_same_command_ends_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, formats: list[str]
) -> None:
    monkeypatch.setattr("pipeline.sinks.lease._gone", lambda _: True)  # who was killed, is
    expected, step, steps = None, 0, 99
    while step <= steps:
        output = filled(config(tmp_path / f"out-{step}", formats, run={"seed": 3}))
        with monkeypatch.context() as patch:
            count = killed_at(patch, step)
            with suppress(Killed):
                moved(output, "check.keep.edit_change.min=9")
            steps = count[0] if step == 0 else steps
        assert not verify(output).problems, step
        assert len(pictures(output)) == 15, "nothing is lost or doubled on the way"
        moved(output, "check.keep.edit_change.min=9")
        well(output)
        found = {name[9:]: value for name, value in pictures(output).items()}
        expected = expected or found
        assert found == expected, step
        step += 1
    assert steps > 15


@pytest.mark.parametrize("step", [7, 9, 12])
def test_the_next_run_ends_a_killed_recheck(
    output: Output, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    with monkeypatch.context() as patch:
        killed_at(patch, step)
        with pytest.raises(Killed):
            moved(output, "check.keep.edit_change.min=9")
    assert any("a recheck did not end" in warning for warning in verify(output).warnings)
    now = bounds.in_force(output)
    assert not now.done and now.keep["edit_change"].min == 9
    recheck.finish(output, now)
    publish(output)
    sweep(output, load_progress(output))
    assert written(output) == [9.0, 10.0, 11.0, 12.0, 14.0, 15.0]
    well(output)


def test_one_that_wakes_after_another_does_no_harm(
    output: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[Any] = []

    def sleeps(output: Output, commit: Any) -> bool:
        slept.append((output, commit))
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(recheck, "create_commit", sleeps)
        with pytest.raises(Killed):
            moved(output, "check.keep.edit_change.min=9")
    moved(output, "check.keep.edit_change.min=7")
    (asleep,) = slept
    assert not create_commit(*asleep)
    assert written(output) == [7.0, 8.0, 9.0, 10.0, 11.0, 12.0, 14.0, 15.0]
    assert not verify(output).problems


def test_another_writer_in_between_is_told_and_leaves_no_file(
    output: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = recheck._commit

    def late(output: Output, commit: Any, *more: Any) -> None:
        after = commit.model_copy(update={"generation": commit.generation + 1})
        assert create_commit(output, after)
        original(output, commit, *more)

    with monkeypatch.context() as patch:
        patch.setattr(recheck, "_commit", late)
        with pytest.raises(RunError, match="another writer changed a chunk"):
            moved(output, "check.keep.edit_change.min=9")
    assert not verify(output).problems
    moved(output)
    well(output)


def test_replays_and_removals_before_and_after(output: Output) -> None:
    moved(output, "check.keep.edit_change.min=9")
    rows = {v[1]: k for k, v in pictures(output).items()}
    assert remove(output, [rows[2.0], rows[12.0]]) == (2, [])
    well(output)
    moved(output, "check.keep.edit_change.min=1")
    assert 2.0 not in written(output) and written(output)[:2] == [1.0, 3.0]
    (before,) = replayable(output, ())
    write_part(output, again(output, before, ()), before)
    sweep(output, load_progress(output))
    well(output)
    (one, other) = read_commits(output)
    assert (one.rejected, other.dead, other.written) == (1, 0, 7)
    moved(output, "check.keep.edit_change.min=11")  # two files of edits in one chunk
    well(output)
    assert len(next(c for c in read_commits(output) if c.chunk == 1).files_of("edits")) == 1


def test_two_files_of_edits_each_lose_some(output: Output) -> None:
    """Of one chunk, by one removal: neither may be put over the other."""
    (before,) = replayable(output, ())
    write_part(output, again(output, before, ()), before)
    rows = [edited("z", 0, n, name, planned=2) for n in range(2) for name in ("blue", "green")]
    dead = [died(row) for row in rows[2:]]
    first = write_part(output, table([*rows[:2], *dead]))
    write_part(output, again(output, first, ()), first)
    ids = [
        row["id"]
        for path in Path(output.root, "edits").glob("*-z-*")
        for row in pq.read_table(path).to_pylist()
        if row["edit"] == "blue"
    ]
    assert remove(output, ids) == (2, [])
    found = verify(output)
    assert not found.problems and found.removed == 2


def test_a_changed_picture_takes_its_rejected_edits_along(output: Output) -> None:
    rows = [row for at in range(2) for row in _picture(0, at)]
    rows = [{**row, "shard": "b", "last": True} for row in rows]
    told = [f"{name_digest(f'img.{at}'):016x}{'0' * 16}" for at in range(2)]
    write_part(output, Listed(1, dict(enumerate(told))).noted(table(rows)))
    new = [{**row, "score_edit_change": 9.0} for row in rows[:2]]
    new = [{**row, **dict.fromkeys(ERROR.names)} for row in new]
    write_part(output, Listed(2, {0: told[0][:16] + "1" * 16}).noted(table(new)))
    (commit,) = (c for c in read_commits(output) if c.shard == "b")
    assert (commit.generation, commit.written, commit.rejected) == (1, 2, 2)
    assert commit.rejected_by == {"edit_change": 2}
    sweep(output, load_progress(output))
    well(output, 20)
    moved(output, "check.keep.edit_change.min=1")
    well(output, 20)


def test_a_record_without_rejected_reads_as_before(output: Output) -> None:
    path = next(Path(output.root, "_state/commits").rglob("00001-r0.json"))
    commit = next(c for c in read_commits(output) if c.chunk == 1)
    assert commit.rejected == 0
    old = commit.model_dump_json(exclude={"rejected", "rejected_by", "bounds"})
    path.write_text(old)
    well(output)


def test_memory_is_of_a_row_group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the size of the part."""
    from pipeline.sinks import parquet

    monkeypatch.setattr(parquet, "ROW_GROUP", 2)
    output = filled(config(tmp_path / "out"))
    moved(output, "check.keep.edit_change.min=6")
    (path,) = Path(output.root, "edits").glob("*-00001-*")
    file = pq.ParquetFile(io.BytesIO(path.read_bytes()))
    assert [file.metadata.row_group(n).num_rows for n in range(file.num_row_groups)] == [2, 2, 2, 1]
    well(output)


def test_on_s3(moto: Storage) -> None:
    output = filled(config(f"s3://input/recheck-{uuid.uuid4().hex[:8]}", output={"storage": moto}))
    assert moved(output, "check.keep.edit_change.min=9").to_rejected == 4
    well(output)
    assert moved(output, "check.keep.edit_change.min=2").to_written == 7
    well(output)
