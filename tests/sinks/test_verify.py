from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.report import collect as collecting
from pipeline.report.collect import collect
from pipeline.sinks import dead
from pipeline.sinks import verify as verifying
from pipeline.sinks.commits import load_progress, read_commits
from pipeline.sinks.output import Output
from pipeline.sinks.part import write_part
from pipeline.sinks.sweep import sweep
from pipeline.sinks.verify import verify
from tests.sinks.tables import chunk_table, made, run_config
from tests.sinks.test_replay import replay


@pytest.fixture
def output(tmp_path: Path) -> Output:
    output = made(run_config(str(tmp_path / "out")))
    for chunk in range(3):
        write_part(output, chunk_table("a", chunk, last=chunk == 2))
    return output


def one(output: Output, pattern: str) -> Path:
    (path,) = Path(output.root).glob(pattern)
    return path


def change_record(output: Output, **changes: object) -> None:
    path = one(output, "_state/commits/*/00001-*.json")
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_a_sound_output_is_all_well(output: Output) -> None:
    found = verify(output)
    assert found.problems == found.warnings == []
    assert found.line() == (
        "3 chunks of 12 rows: planned 15, written 9, dead 6, passed 3; all well"
    )


def damage(pattern: str, how: Callable[[bytes], bytes]) -> Callable[[Output], None]:
    def act(output: Output) -> None:
        path = one(output, pattern)
        path.write_bytes(how(path.read_bytes()))

    return act


def flip(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]


@pytest.mark.parametrize(
    ("act", "told"),
    [
        (damage("edits/*-00001-*.parquet", flip), "checksum"),
        (damage("webdataset/*-00001-*.tar", flip), "checksum"),
        (damage("dead/*-00001-*.parquet", lambda data: data[:-9]), "bytes, but the record says"),
        (damage("edits/*-00001-*.parquet", lambda data: b""), "bytes, but the record says"),
        (lambda output: one(output, "edits/*-00001-*.parquet").unlink(), "missing"),
        (lambda output: change_record(output, written=4), "planned 5, written 4, dead 2"),
        (lambda output: change_record(output, rows=3), "3 rows, but 4 ordinals"),
        (lambda output: change_record(output, fingerprint="0" * 16), "fingerprint"),
        (lambda output: change_record(output, dead_by_kind={}), "by kind"),
        (lambda output: change_record(output, files=[]), "0 rows in edits/, but the record says"),
        (lambda output: change_record(output, ordinals=[[3, 6]]), "committed in another chunk"),
        (lambda output: change_record(output, ordinals=[[12, 15]]), "4 rows are missing"),
    ],
)
def test_each_damage_is_told(output: Output, act: Callable[[Output], None], told: str) -> None:
    act(output)
    problems = verify(output).problems
    assert problems
    assert any(told in problem for problem in problems), problems


def test_an_edit_that_is_in_two_chunks_is_told(output: Output) -> None:
    write_part(output, chunk_table("a", 0, version="v1").set_column(2, "chunk", [[3] * 6]))
    assert any("committed in another chunk" in problem for problem in verify(output).problems)


def test_an_unfinished_run_is_only_a_warning(output: Output) -> None:
    one(output, "_state/commits/*/00001-*.json").unlink()
    found = verify(output)
    assert found.problems == []
    *orphans, unfinished = found.warnings
    assert unfinished == "a: not finished"
    assert len(orphans) == 3 and all("has no record" in warning for warning in orphans)


def test_a_replay_that_commits_meanwhile_is_no_damage(
    output: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`verify` and `report` read a record; then a replay supersedes it and sweeps its letters."""
    before = list(read_commits(output))
    replay(output, ())
    sweep(output, load_progress(output))
    for module in (verifying, collecting, dead):
        monkeypatch.setattr(module, "read_commits", lambda *_: iter(before))
    found = verify(output)
    assert (found.problems, found.warnings) == ([], [])
    assert (found.planned, found.written) == (18, 18)
    told: list[str] = []
    collect(output, 4, told)
    assert list(dead.read(output, told)) == [] and told == []


def test_an_id_that_names_two_rows_of_a_shard_is_told(output: Output) -> None:
    """As where a writer's digest were too short: here the second chunk is the first's copy."""
    first, second = (
        json.loads(one(output, f"_state/commits/*/0000{n}-*.json").read_text()) for n in (0, 1)
    )
    assert verify(output).problems == []
    change_record(output, **(first | {"chunk": 1, "ordinals": second["ordinals"]}))
    assert "a: 5 ids name more than one row" in verify(output).problems
