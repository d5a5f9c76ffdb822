"""Processes that stand still at the worst moment and wake, and listings that lie: on real commands.

A run or a replay is stopped (SIGSTOP) at a named point, until another has taken its lease over and
committed; then it goes on (SIGCONT). Nothing that is committed may be lost, doubled or changed.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest
import yaml

from pipeline.sinks.output import existing_output
from pipeline.sinks.verify import verify
from tests import warm
from tests.chaos.campaign import TRACE
from tests.datasets import catalogue, rows, settings, write_tar

PATIENCE = 240


@pytest.fixture
def command(tmp_path: Path, tiny_model: Path) -> list[str]:
    # Of one chunk that is done again all may be dead letters.
    share = {"max_dead_share": 1}
    config = settings(catalogue(tmp_path / "in"), tmp_path / "out", tiny_model, run=share)
    file = tmp_path / "run.yaml"
    file.write_text(yaml.safe_dump(config.model_dump(mode="json")))
    return ["run", str(file), "--local"]


def started(*arguments: str, **environment: str) -> warm.Command:
    path = os.pathsep.join([str(TRACE), str(Path.cwd()), os.environ.get("PYTHONPATH", "")])
    more = {"PYTHONPATH": path, "CHAOS_TTL": "1", **environment}
    return warm.start(*arguments, env={**os.environ, **more})


def ended(process: warm.Command) -> tuple[int, list[str]]:
    """Its status and the lines of its complaint."""
    _, said = process.communicate(timeout=PATIENCE)
    return process.returncode, [line for line in said.splitlines() if line.strip()]


def stopped(file: Path, process: warm.Command) -> None:
    """Waits until the process stands still."""
    deadline = time.monotonic() + PATIENCE
    while not file.exists() or not file.read_text():
        assert process.poll() is None and time.monotonic() < deadline, process.communicate()
        time.sleep(0.1)
    time.sleep(2.5)  # its lease gets old, which no store can be told to hurry


def committed(out: Path) -> dict[str, bytes]:
    """Every file that counts, and every record."""
    return {
        str(path.relative_to(out)): path.read_bytes()
        for folder in ("edits", "webdataset", "rejected", "dead", "_state/commits")
        for path in (out / folder).rglob("*")
        if path.is_file()
    }


def judge(out: Path, before: dict[str, bytes]) -> None:
    """All that was committed is there unchanged, and the next run leaves it all well."""
    after = committed(out)
    assert before.items() <= after.items(), sorted(before.keys() - after.keys())
    assert not verify(existing_output(str(out))).problems


# It looked for a record and has written nothing; its files are written; the lease was its own.
@pytest.mark.parametrize("point", ["_written", "check_held", "create_commit"])
def test_a_run_that_wakes_after_another_did_all_harms_nothing(
    command: list[str], tmp_path: Path, point: str
) -> None:
    out, file = tmp_path / "out", tmp_path / "stopped"
    sleeper = started(*command, CHAOS_STOP=f"pipeline.sinks.part:{point}:{file}")
    stopped(file, sleeper)
    assert ended(started(*command)) == (0, [])
    before = committed(out)
    sleeper.send_signal(signal.SIGCONT)
    code, said = ended(sleeper)
    assert (code, len(said)) == (1, 1) and "taken over by another run" in said[0], said
    judge(out, before)
    assert ended(started(*command)) == (0, [])
    found = verify(existing_output(str(out)))
    assert (found.planned, found.problems, found.warnings) == (34, [], [])


def test_a_sweep_that_wakes_after_another_committed_deletes_nothing_of_it(
    command: list[str], tmp_path: Path
) -> None:
    out, file = tmp_path / "out", tmp_path / "stopped"
    assert ended(started(*command)) == (0, [])
    # A shard is done in part, with a leftover; the first sweeps, the second does new work.
    for record in sorted((out / "_state/commits").rglob("*.json"))[::2]:
        record.unlink()
    sleeper = started(*command, CHAOS_STOP=f"pipeline.sinks.sweep:_unnamed:{file}")
    stopped(file, sleeper)
    for shard in (2, 3):
        write_tar(tmp_path / "in" / f"shard-{shard:02d}.tar", rows(9, 9 * shard))
    assert ended(started(*command)) == (0, [])
    before = committed(out)
    sleeper.send_signal(signal.SIGCONT)
    code, said = ended(sleeper)
    assert (code, said) == (0, [])
    judge(out, before)
    found = verify(existing_output(str(out)))
    assert (found.rows, found.problems, found.warnings) == (36, [], [])


@pytest.mark.parametrize("point", ["untouched", "check_held", "create_commit"])
def test_a_replay_that_wakes_after_another_took_its_letters_harms_nothing(
    command: list[str], tmp_path: Path, point: str
) -> None:
    out, file = tmp_path / "out", tmp_path / "stopped"
    assert ended(started(*command, "input.max_pixels=5000")) == (0, [])
    again = ["dead", "replay", str(out), "input.max_pixels=9000", "--kind", "too_large"]
    sleeper = started(*again, CHAOS_STOP=f"pipeline.sinks.part:{point}:{file}")
    stopped(file, sleeper)
    assert ended(started(*again)) == (0, [])
    before = committed(out)
    sleeper.send_signal(signal.SIGCONT)
    code, said = ended(sleeper)
    assert (code, len(said)) == (1, 1), said
    judge(out, before)
    assert ended(started(*command, "input.max_pixels=5000")) == (0, [])
    found = verify(existing_output(str(out)))
    assert (found.planned, found.dead, found.problems, found.warnings) == (34, 6, [], [])


@pytest.mark.parametrize("lie", ["lag", "repeat"])
def test_a_listing_that_lies_costs_work_at_most(
    command: list[str], tmp_path: Path, lie: str
) -> None:
    out = tmp_path / "out"
    assert ended(started(*command)) == (0, [])
    before = committed(out)
    assert ended(started(*command, CHAOS_LIE=lie)) == (0, [])
    assert committed(out) == before
    found = verify(existing_output(str(out)))
    assert (found.planned, found.problems, found.warnings) == (34, [], [])


def test_a_listing_that_fails_ends_the_run_with_one_line(
    command: list[str], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    assert ended(started(*command)) == (0, [])
    before = committed(out)
    write_tar(tmp_path / "in" / "shard-02.tar", rows(9, 18))
    code, said = ended(started(*command, CHAOS_LIE="broken"))
    assert (code, len(said)) == (1, 1), said
    assert f"{out}: cannot list its commit records: Input/output error" in said[0]
    assert committed(out) == before
