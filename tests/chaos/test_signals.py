"""Signals to a run on Ray: it ends at once or in order, and the same command goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest
import yaml

from pipeline.sinks.output import existing_output
from pipeline.sinks.verify import verify
from tests import warm
from tests.chaos.victim import COMMAND
from tests.datasets import catalogue, settings


def test_a_preempted_and_twice_interrupted_run_resumes(tiny_model: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    config = settings(catalogue(tmp_path / "in", per_shard=24), out, tiny_model, edit={"steps": 30})
    file = tmp_path / "run.yaml"
    file.write_text(yaml.safe_dump(config.model_dump(mode="json")))

    said = stopped(file, out, [signal.SIGTERM])
    assert "the same command goes on" in said
    said = stopped(file, out, [signal.SIGINT, signal.SIGINT])
    assert "goes on" in said
    assert 0 < commits(out) < 12

    again = warm.run("run", str(file))
    assert (again.returncode, again.stderr) == (0, "")
    found = verify(existing_output(str(out)))
    assert (found.chunks, found.rows, found.problems, found.warnings) == (12, 48, [], [])


def stopped(file: Path, out: Path, signals: list[signal.Signals]) -> str:
    """Signals a run, as a terminal does all its processes, after its next commit."""
    wanted = commits(out) + 1
    process = subprocess.Popen(
        [*COMMAND, str(file)],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    while process.poll() is None and commits(out) < wanted:
        time.sleep(0.1)
    for number in signals:
        # Ray takes a while to shut down, so that the second finds it at that.
        if number == signal.SIGINT:
            os.killpg(process.pid, number)
        else:
            process.send_signal(number)
        time.sleep(0.3)
    try:
        _, said = process.communicate(timeout=60)
    except subprocess.TimeoutExpired:
        process.kill()
        pytest.fail("it does not stop")
    assert process.returncode == 130, said
    assert "Traceback" not in said and len(said.strip().splitlines()) == 1, said
    return said


def commits(out: Path) -> int:
    return len(list((out / "_state/commits").rglob("*.json")))
