"""Commands where something that is usually there is not: one line, or none, and no traceback."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from pipeline import process
from tests.datasets import catalogue, settings
from tests.sinks.tables import chunk_table, made, run_config

MAIN = "from pipeline.cli import main; main()"


def said(*arguments: str, **more: object) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-c", MAIN, *arguments]
    return subprocess.run(command, capture_output=True, timeout=200, **more)  # type: ignore[call-overload,no-any-return]


@pytest.fixture
def output(tmp_path: Path) -> Path:
    from pipeline.sinks.part import write_part

    folder = tmp_path / "öffentlich €"
    write_part(made(run_config(str(folder))), chunk_table("ä", 0, last=True))
    return folder


def test_an_ascii_terminal(output: Path) -> None:
    ascii_only = {**os.environ, "LC_ALL": "C", "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    for command in ("verify", "report"):
        done = said(command, str(output), env=ascii_only)
        assert (done.returncode, done.stderr) == (0, b""), done
    broken = said("verify", str(output) + "-ß", env=ascii_only)
    assert broken.returncode == 2 and b"Traceback" not in broken.stderr


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&-", ">&- 2>&- <&-", "| true", ">/dev/full"])
def test_closed_and_broken_streams(output: Path, closed: str) -> None:
    script = f'"$0" -c "$1" verify "$2" {closed}'
    command = ["bash", "-o", "pipefail", "-c", script, sys.executable, MAIN, str(output)]
    done = subprocess.run(command, capture_output=True, timeout=100)
    assert done.returncode in ((0, 1) if closed in ("| true", ">/dev/full") else (0,)), done
    assert b"Traceback" not in done.stderr and b"Exception ignored" not in done.stderr, done.stderr


def test_no_home_and_no_user_name(output: Path) -> None:
    bare = {k: v for k, v in os.environ.items() if k not in ("HOME", "USER", "LOGNAME")}
    done = said("verify", str(output), env=bare)
    assert (done.returncode, done.stderr) == (0, b"")


def test_no_shell(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object, **__: object) -> None:
        raise FileNotFoundError("/bin/sh")

    monkeypatch.setattr(process.subprocess, "Popen", missing)
    with process.last_word():
        pass


@pytest.mark.parametrize(
    "loss",
    [
        "from pipeline.stages.guard import guarded; guarded([1, 2], lambda items: [3])",
        "from pipeline.sinks.part import write_part\n"
        "from tests.sinks.tables import *\n"
        "import tempfile\n"
        "out = made(run_config(tempfile.mkdtemp()))\n"
        "write_part(out, table([edited('a', 0, 0, 'blue', planned=2)]))",
    ],
)
def test_a_loss_is_a_bug_with_assertions_off_too(loss: str) -> None:
    done = subprocess.run([sys.executable, "-O", "-c", loss], capture_output=True, timeout=100)
    assert done.returncode == 1 and b"BugError" in done.stderr


def test_a_run_from_a_folder_that_is_gone(tmp_path: Path, tiny_model: Path) -> None:
    config = settings(catalogue(tmp_path / "in", shards=1), tmp_path / "out", tiny_model)
    file = tmp_path / "run.yaml"
    file.write_text(yaml.safe_dump(config.model_dump(mode="json")))
    gone = tmp_path / "gone"
    gone.mkdir()
    # An empty entry is the current folder, which the interpreter itself could not resolve.
    path = os.pathsep.join(filter(None, [str(Path.cwd()), os.environ.get("PYTHONPATH")]))
    script = 'cd "$3" && rmdir "$3" && "$0" -c "$1" run "$2" --local'
    command = ["bash", "-c", script, sys.executable, MAIN, str(file), str(gone)]
    env = {**os.environ, "PYTHONPATH": path}
    done = subprocess.run(command, capture_output=True, timeout=200, env=env)
    assert b"Traceback" not in done.stderr, done.stderr
