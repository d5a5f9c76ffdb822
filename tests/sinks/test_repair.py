"""Damaged records: all are named, one hides no other, and mending loses nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from pipeline.report.collect import collect
from pipeline.sinks import dead, recheck
from pipeline.sinks.commits import load_progress
from pipeline.sinks.lease import writing
from pipeline.sinks.output import Output
from pipeline.sinks.part import write_part
from pipeline.sinks.remove import remove
from pipeline.sinks.repair import repair
from pipeline.sinks.sweep import sweep
from pipeline.sinks.verify import verify
from tests.sinks.tables import chunk_table, made, run_config
from tests.sinks.test_recheck import config, filled, moved
from tests.sinks.test_replay import counts, replay

TORN = [b"", b'{"shard": "a", "chu', b"\0" * 400]


@pytest.fixture
def output(tmp_path: Path) -> Output:
    """Three chunks, each with a dead edit (nan) and a dead image (undecodable, never planned)."""
    output = made(run_config(str(tmp_path / "out")))
    for chunk in range(3):
        write_part(output, chunk_table("a", chunk, last=chunk == 2))
    return output


def record(output: Output, name: str) -> Path:
    (path,) = Path(output.root, "_state/commits").glob(f"*/{name}.json")
    return path


def mended(output: Output) -> list[str]:
    with writing(output) as held:
        return list(repair(held))


def everything(output: Output) -> set[bytes]:
    return {path.read_bytes() for path in Path(output.root).rglob("*") if path.is_file()}


def again(output: Output) -> None:
    """The next run: what is not committed is done, then it sweeps."""
    for chunk in range(3):
        write_part(output, chunk_table("a", chunk, last=chunk == 2))
    sweep(output, load_progress(output))


@pytest.mark.parametrize("torn", TORN)
def test_verify_names_all_that_are_damaged_and_checks_the_rest(output: Output, torn: bytes) -> None:
    record(output, "00000-r0").write_bytes(torn)
    record(output, "00002-r0").write_bytes(torn)
    next(Path(output.root).glob("edits/*-00001-*")).unlink()
    problems = verify(output).problems
    for name in ("00000-r0.json: damaged", "00002-r0.json: damaged", ": missing; put it back"):
        assert any(name in problem for problem in problems), problems
    assert all("--repair" in problem for problem in problems if "damaged" in problem)


def test_dead_letters_and_report_tell_the_rest(output: Output) -> None:
    record(output, "00000-r0").write_bytes(b"")
    next(Path(output.root).glob("dead/*-00001-*")).unlink()
    told: list[str] = []
    letters = list(dead.read(output, told))
    assert sum(map(len, letters)) == 2 and len(told) == 2
    told.clear()
    summary = collect(output, 9, told)
    assert summary.counts["written"] == len(summary.gallery) == 6
    assert len(told) == 2 and "verify" in told[1]


@pytest.mark.parametrize("torn", TORN)
def test_a_chunk_with_a_torn_record_is_done_again(output: Output, torn: bytes) -> None:
    expected, before = counts(output), everything(output)
    record(output, "00001-r0").write_bytes(torn)
    (said,) = mended(output)
    assert (
        "00001-r0.json: damaged; put aside as .damaged; the next run does the chunk again" in said
    )
    assert len(before - everything(output)) == 1  # the record that was damaged
    assert not verify(output).problems
    again(output)
    assert counts(output) == expected
    assert (verify(output).problems, verify(output).warnings) == ([], [])


def test_a_replays_record_is_rebuilt_when_the_letters_that_it_took_are_swept(
    output: Output,
) -> None:
    replay(output, ())
    sweep(output, load_progress(output))
    expected = counts(output)
    whole = record(output, "00001-r1").read_bytes()
    record(output, "00001-r1").write_bytes(b"")
    (said,) = mended(output)
    assert "rebuilt" in said
    assert counts(output) == expected == (12, 18, 18, 0, 3)
    assert record(output, "00001-r1").read_bytes() == whole
    assert (verify(output).problems, verify(output).warnings) == ([], [])


def test_a_replays_letters_are_letters_again_where_they_are_still_there(output: Output) -> None:
    replay(output, ())
    record(output, "00001-r1").write_bytes(b"")
    (said,) = mended(output)
    assert "replay them" in said
    assert not verify(output).problems
    replay(output, ())
    sweep(output, load_progress(output))
    assert counts(output) == (12, 18, 18, 0, 3)
    assert (verify(output).problems, verify(output).warnings) == ([], [])


def test_what_cannot_be_rebuilt_is_left_and_told(output: Output) -> None:
    replay(output, ())
    sweep(output, load_progress(output))
    record(output, "00001-r1").write_bytes(b"")
    (part,) = Path(output.root).glob("edits/*-00001-r1-*")
    part.rename(part.with_name("elsewhere"))
    before = everything(output)
    (said,) = mended(output)
    assert "cannot be rebuilt" in said and "left as it is" in said
    assert before <= everything(output)


def test_what_was_removed_does_not_come_back(output: Output) -> None:
    edits = next(Path(output.root).glob("edits/*-00001-*"))
    name = pq.read_table(edits, columns=["id"])["id"][0].as_py()
    assert remove(output, [name]) == (1, [])
    expected = counts(output)
    whole = record(output, "00001-r1").read_bytes()
    record(output, "00001-r1").write_bytes(b"")
    (said,) = mended(output)
    assert "it was a removal" in said and "left as it is" in said
    record(output, "00001-r1").write_bytes(whole)
    next(Path(output.root).glob("edits/*-00001-*")).unlink()
    (said,) = mended(output)
    assert "left as it is: done again, the chunk would bring back what was removed" in said
    assert counts(output) == expected


def test_damaged_history_is_made_anew(output: Output) -> None:
    replay(output, ())
    sweep(output, load_progress(output))
    expected = counts(output)
    record(output, "00001-r0").write_bytes(b"")
    assert any("00001-r0.json: damaged" in problem for problem in verify(output).problems)
    (said,) = mended(output)
    assert "only history" in said
    assert counts(output) == expected
    assert (verify(output).problems, verify(output).warnings) == ([], [])


def test_a_chunk_that_lost_a_file_is_done_again_with_its_replays(output: Output) -> None:
    expected = counts(output)
    replay(output, ())
    sweep(output, load_progress(output))
    next(Path(output.root).glob("edits/*-00001-r0-*")).unlink()
    (said,) = mended(output)
    assert "the next run does chunk 1 of a again" in said
    for name in ("00001-r0", "00001-r1"):
        assert next(Path(output.root).glob(f"_state/commits/*/{name}.json.damaged"))
    again(output)
    assert (verify(output).problems, verify(output).warnings) == ([], [])
    assert counts(output) == (12, 17, 15, 2, 3) and expected == (12, 15, 9, 6, 3)


def test_files_of_no_chunk_are_told_and_moved_out(output: Output) -> None:
    write_part(output, chunk_table("gone", 0))
    (kept,) = Path(output.root, "_state/commits").glob("gone-*")
    record_, *_ = kept.iterdir()
    record_.unlink()
    told = verify(output)
    assert not told.problems and sum("its chunk has no record" in w for w in told.warnings) == 3
    sweep(output, load_progress(output))
    assert len([w for w in verify(output).warnings if "no record" in w]) == 3, "not swept: unseen"
    before = everything(output)
    assert len(mended(output)) == 3
    assert before <= everything(output)
    assert verify(output).warnings == [] and verify(output).problems == []


def test_a_damaged_note_of_the_weights_is_made_anew(output: Output) -> None:
    path = Path(output.root, "_state/model.json")
    whole = path.read_bytes()
    path.write_bytes(b"{")
    (said,) = mended(output)
    assert "made anew from edits/" in said and path.read_bytes() == whole


def test_a_damaged_pin_is_made_anew(output: Output) -> None:
    (pin,) = Path(output.root, "_state/shards").iterdir()
    whole = pin.read_bytes()
    pin.write_bytes(b"")
    (said,) = mended(output)
    assert "made anew" in said and pin.read_bytes() == whole


@pytest.mark.parametrize("swept", [True, False])
@pytest.mark.parametrize("formats", [["parquet", "webdataset"], ["webdataset"]], ids="-".join)
def test_a_rechecks_record_is_rebuilt(tmp_path: Path, formats: list[str], swept: bool) -> None:
    output = filled(config(tmp_path / "out", formats))
    moved(output, "check.keep.edit_change.min=3")  # some come, the reasons of others change
    if swept:
        moved(output, "check.keep.edit_change.min=9")
    else:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(recheck, "sweep", lambda *_: None)
            moved(output, "check.keep.edit_change.min=9")
    for torn in sorted(Path(output.root, "_state/commits").rglob("*-r[12].json"), reverse=True):
        if torn.name == "00000-r1.json":
            continue  # history
        whole = torn.read_bytes()
        torn.write_bytes(b"")
        (said,) = mended(output)
        assert "rebuilt from its files" in said
        assert json.loads(torn.read_text()) == json.loads(whole)
    assert verify(output).problems == []
