"""Rows one by one: what the child says comes back, and where there is no child."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from pipeline.engine import careful
from pipeline.engine.apart import CannotStart, Child
from pipeline.engine.careful import one_by_one
from pipeline.errors import UsageError
from pipeline.rows import READ_SCHEMA, conform
from pipeline.sinks.attempts import DEATHS, left, noted
from pipeline.sinks.output import Output
from pipeline.stages import Plan
from tests.sinks.tables import chunk_table, made, run_config


@pytest.fixture
def output(tmp_path: Path) -> Output:
    return made(run_config(str(tmp_path / "out")))


def config(output: Output) -> object:
    return run_config(output.path)


def test_one_by_one_is_the_same(output: Output) -> None:
    images = conform(chunk_table("a", 0).drop_columns(["error_stage"]), READ_SCHEMA)
    images = images.take([0, 2, 4])
    plan = Plan(config(output))
    alone = one_by_one(config(output), output, ["plan"], images, plan)
    assert alone.equals(plan(images))
    assert list(left(output)) == []


def test_what_the_child_cannot_do_as_asked_is_raised(output: Output) -> None:
    wrong = run_config(output.path, model={"path": "/no/model"})
    with pytest.raises(UsageError, match="/no/model: no such folder"), Child(wrong) as child:
        child.stage("edit", chunk_table("a", 0))


def test_without_room_for_a_second_model_the_rows_are_done_here(
    output: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_room(*_: object) -> pa.Table:
        raise CannotStart("CUDA out of memory")

    monkeypatch.setattr(Child, "stage", no_room)
    rows = chunk_table("a", 0)
    assert one_by_one(config(output), output, ["check"], rows, lambda rows: rows).equals(rows)
    dead = [careful.attempt(output, rows, "check-here-1") for _ in range(DEATHS)]
    for attempt in dead:
        attempt.__enter__()
    done = one_by_one(config(output), output, ["check"], rows, lambda rows: rows)
    killed = [row for row in done.to_pylist() if row["error_kind"] == careful.KILLED]
    assert [(row["ordinal"], row["edit"]) for row in killed] == [(1, "blue"), (1, "green")]


def test_a_note_is_left_by_death_alone(output: Output) -> None:
    with pytest.raises(KeyError), noted(output, "a", "00000-edit"):
        raise KeyError
    assert list(left(output)) == []
    dead = [noted(output, "a", "00000-edit") for _ in range(3)]
    assert [attempt.__enter__() for attempt in dead] == [0, 1, 2]  # and then they are gone
    with noted(output, "a", "00000-edit") as deaths:
        assert deaths == 3
    assert list(left(output)) == []
