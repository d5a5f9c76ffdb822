"""A picture that kills the process which has it in its hands costs itself and nothing else."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
import yaml

from pipeline.sinks.dead import read as letters
from pipeline.sinks.output import existing_output
from pipeline.sinks.verify import Verification, verify
from tests import warm
from tests.chaos.campaign import TRACE
from tests.chaos.trace.sitecustomize import poison
from tests.datasets import rows, settings, write_tar


def written(tmp_path: Path, tiny_model: Path, *stages: str) -> Path:
    """A shard of 6 rows for each stage, chunks of 4; row 2 is poison there (`none`: it is not)."""
    for shard, stage in enumerate(stages):
        members = rows(6, 10 * shard)
        if stage != "none":
            key, image, caption = members[2]
            members[2] = (key, image + poison(stage), caption)
        write_tar(tmp_path / "in" / f"shard-{shard}.tar", members)
    config = settings(tmp_path / "in", tmp_path / "out", tiny_model)
    file = tmp_path / "run.yaml"
    file.write_text(yaml.safe_dump(config.model_dump(mode="json")))
    return file


def run(file: Path, *more: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(TRACE), str(Path.cwd()), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "CHAOS_POISON": "yes", "PYTHONPATH": path}
    return warm.run("run", str(file), *more, env=environment, timeout=800)


def judge(out: Path, *stages: str) -> Verification:
    output = existing_output(str(out))
    found = verify(output)
    assert (found.problems, found.warnings) == ([], [])
    dead = [row for part in letters(output) for row in part.to_pylist()]
    killed = [row for row in dead if row["error_kind"] == "killed_the_process"]
    assert {(row["shard"], row["ordinal"], row["error_stage"]) for row in killed} == {
        (f"shard-{shard}.tar", 2, stage) for shard, stage in enumerate(stages) if stage != "none"
    }
    for row in killed:
        if row["error_stage"] != "read":
            key = f"000{row['shard'][6]}2"
            assert row["key"] == key and row["image"]
            assert repr(key) in row["error_message"] and "signal 9" in row["error_message"]
    assert not list((out / "_state" / "attempts").rglob("*.json"))
    return found


@pytest.mark.parametrize("stage", ["edit", "check", "write"])
def test_without_ray_the_third_command_gets_past_it(
    tmp_path: Path, tiny_model: Path, stage: str
) -> None:
    file = written(tmp_path, tiny_model, "none", stage)
    for _ in range(2):
        died = run(file, "--local")
        assert died.returncode == -9
        assert "the same command goes on" in died.stderr or "error ended" in died.stderr
    done = run(file, "--local")
    assert (done.returncode, done.stderr) == (0, "")
    assert judge(tmp_path / "out", "none", stage).rows == 12


def test_on_ray_one_run_gets_past_one_of_each(tmp_path: Path, tiny_model: Path) -> None:
    stages = ("edit", "check", "write", "read")
    file = written(tmp_path, tiny_model, *stages)
    assert run(file).returncode == -9  # the driver's own look at the first rows met the last
    done = run(file)
    assert (done.returncode, done.stderr) == (0, "")
    # What follows a row that cannot be read cannot be read either.
    assert judge(tmp_path / "out", *stages).rows == 3 * 6 + 3


def test_a_driver_gets_past_what_kills_its_look_at_the_columns(
    tmp_path: Path, tiny_model: Path
) -> None:
    file = written(tmp_path, tiny_model, "read", "none")
    raw = yaml.safe_load(file.read_text())
    raw["prompts"] = {"type": "column", "target": "target"}  # none has it, so all are looked at
    file.write_text(yaml.safe_dump(raw))
    assert run(file, "--local").returncode == -9
    done = run(file, "--local")
    assert done.returncode == 2 and "no column target" in done.stderr
    (note,) = (tmp_path / "out/_state/attempts").rglob("*.json")  # so that the next is careful too
    assert note.name == "columns-1.json"
