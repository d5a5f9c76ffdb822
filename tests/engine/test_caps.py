"""`run.max_hours` and `run.max_edits`: a stop at a chunk's end, and the same command goes on."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.engine.caps import Caps
from pipeline.engine.estimate import estimate
from pipeline.errors import Stopped
from pipeline.rows import Chunk
from pipeline.sinks.ledger import runs
from pipeline.sinks.output import existing_output
from pipeline.sinks.verify import verify
from tests.datasets import catalogue, settings

CHUNK = 8
"""Planned edits of a chunk of these tests, at most: four images, two colours."""


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return catalogue(tmp_path_factory.mktemp("capped"))


def told(out: Path) -> list[tuple[str, int | None, str]]:
    return [(r.outcome, r.exit_code, r.message) for r in runs(existing_output(str(out)))]


@pytest.mark.parametrize("local", [True, False], ids=["local", "ray"])
def test_a_run_in_portions_is_the_whole_run(
    local: bool, request: Any, source: Path, tiny_model: Path, tmp_path: Path, edit: Callable
) -> None:
    if not local:
        request.getfixturevalue("ray_here")
    out = tmp_path / "out"
    portion = settings(source, out, tiny_model, run={"max_edits": 17, "max_dead_share": 1})
    planned = []
    for _ in range(8):
        tally = edit(portion, local=local)
        planned.append(tally.planned)
        assert tally.planned < 17 + CHUNK
        if not tally.stopped:
            break
        assert tally.stopped == "run.max_edits" and tally.planned >= 17
        assert told(out)[-1] == ("stopped", 0, "run.max_edits")
        assert verify(existing_output(str(out))).problems == []
        assert estimate(portion).shards > 0
    assert (sum(planned), len(planned)) == (34, 2)
    assert told(out)[-1] == ("done", 0, "")
    found = verify(existing_output(str(out)))
    assert (found.rows, found.planned, found.chunks, found.problems) == (18, 34, 6, [])
    assert edit(portion, local=local).chunks == 0


def test_a_cap_that_is_just_reached_stops_nothing(
    source: Path, tiny_model: Path, tmp_path: Path, edit: Callable
) -> None:
    tally = edit(settings(source, tmp_path / "out", tiny_model, run={"max_edits": 34}))
    assert (tally.planned, tally.stopped) == (34, "")


def test_hours_that_are_over_begin_nothing(
    source: Path, tiny_model: Path, tmp_path: Path, edit: Callable
) -> None:
    tally = edit(settings(source, tmp_path / "out", tiny_model, run={"max_hours": 1e-9}))
    assert (tally.chunks, tally.stopped) == (0, "run.max_hours")
    assert told(tmp_path / "out") == [("stopped", 0, "run.max_hours")]


def test_what_was_begun_is_waited_for() -> None:
    caps = Caps(until=time.time() + 3600)
    one, other, late = (Chunk("a.tar", "1", number, False) for number in range(3))
    assert caps.lets(one, 5) and caps.lets(other, 5)
    caps.until = 0
    assert not caps.lets(late, 5)
    assert caps.lets(one, 5)  # again: its process died
    caps.done(committed(one))
    caps.check()
    caps.done(committed(one))  # twice, by two writers
    caps.done(committed(other))
    with pytest.raises(Stopped, match=r"^run\.max_hours$"):
        caps.check()
    with pytest.raises(Stopped):
        caps.lets(late, 5)


def committed(chunk: Chunk) -> Any:
    from pipeline.sinks.commits import Commit

    none = dict.fromkeys(("rows", "written", "dead", "passed"), 0)
    empty: dict[str, Any] = {"ordinals": [], "dead_ordinals": [], "files": []}
    place = {"shard": chunk.shard, "shard_version": chunk.shard_version, "chunk": chunk.index}
    return Commit(**place, **none, **empty, planned=5, last=False, dead_by_kind={}, fingerprint="")


def test_caps_are_no_part_of_what_a_run_is(source: Path, tmp_path: Path) -> None:
    plain, capped = (
        settings(source, tmp_path, "demo", run=run)
        for run in ({}, {"max_hours": 3, "max_edits": 7})
    )
    assert plain.fingerprint() == capped.fingerprint()
