"""A picture that kills the process which has it in its hands costs itself and nothing else."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
import yaml

from pipeline.sinks.dead import read as letters
from pipeline.sinks.output import existing_output
from pipeline.sinks.verify import verify
from tests.chaos.campaign import TRACE
from tests.chaos.trace.sitecustomize import POISON
from tests.chaos.victim import COMMAND
from tests.datasets import rows, settings, write_tar


@pytest.fixture
def config_file(tmp_path: Path, tiny_model: Path) -> Path:
    """Two shards of 6 rows, chunks of 4; row 2 of the second shard is poison."""
    return written(tmp_path, tiny_model, poisoned=1)


def written(tmp_path: Path, tiny_model: Path, poisoned: int) -> Path:
    for shard in range(2):
        members = rows(6, 10 * shard)
        if shard == poisoned:
            key, image, caption = members[2]
            members[2] = (key, image + POISON, caption)
        write_tar(tmp_path / "in" / f"shard-{shard}.tar", members)
    config = settings(tmp_path / "in", tmp_path / "out", tiny_model)
    file = tmp_path / "run.yaml"
    file.write_text(yaml.safe_dump(config.model_dump(mode="json")))
    return file


def run(file: Path, poison: str, *more: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(TRACE), str(Path.cwd()), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "CHAOS_POISON": poison, "PYTHONPATH": path}
    return subprocess.run(
        [*COMMAND, str(file), *more], capture_output=True, text=True, env=environment, timeout=400
    )


def judge(out: Path, stage: str) -> None:
    output = existing_output(str(out))
    found = verify(output)
    assert (found.problems, found.warnings) == ([], [])
    dead = [row for part in letters(output) for row in part.to_pylist()]
    killed = [row for row in dead if row["error_kind"] == "killed_the_process"]
    assert {(row["shard"], row["ordinal"], row["error_stage"]) for row in killed} == {
        ("shard-1.tar", 2, stage)
    }
    if stage != "read":
        assert {row["key"] for row in killed} == {"00012"} and killed[0]["image"]
        assert "'00012'" in killed[0]["error_message"] and "signal 9" in killed[0]["error_message"]
        assert found.rows == 12
    assert not list((out / "_state" / "attempts").rglob("*.json"))


@pytest.mark.parametrize("stage", ["edit", "check", "write"])
def test_without_ray_the_third_command_gets_past_it(
    config_file: Path, tmp_path: Path, stage: str
) -> None:
    for _ in range(2):
        died = run(config_file, stage, "--local")
        assert died.returncode == -9
        assert "the same command goes on" in died.stderr or "error ended" in died.stderr
    done = run(config_file, stage, "--local")
    assert (done.returncode, done.stderr) == (0, "")
    judge(tmp_path / "out", stage)


@pytest.mark.parametrize("stage", ["edit", "check", "read", "write"])
def test_on_ray_the_run_gets_past_it(config_file: Path, tmp_path: Path, stage: str) -> None:
    done = run(config_file, stage)
    if stage == "read":  # the driver's own look at the first rows met it
        assert done.returncode == -9
        done = run(config_file, stage)
    assert (done.returncode, done.stderr) == (0, "")
    judge(tmp_path / "out", stage)


def test_a_driver_gets_past_what_kills_its_look_at_the_columns(
    tmp_path: Path, tiny_model: Path
) -> None:
    file = written(tmp_path, tiny_model, poisoned=0)
    raw = yaml.safe_load(file.read_text())
    raw["prompts"] = {"type": "column", "target": "target"}  # none has it, so all are looked at
    file.write_text(yaml.safe_dump(raw))
    assert run(file, "read", "--local").returncode == -9
    done = run(file, "read", "--local")
    assert done.returncode == 2 and "no column target" in done.stderr
    (note,) = (tmp_path / "out/_state/attempts").rglob("*.json")  # so that the next is careful too
    assert note.name == "columns-1.json"
