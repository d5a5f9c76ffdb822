"""The small scripts for cluster jobs are the commands of the same name."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("script", "says"),
    [("report", "report.html"), ("evaluate", "drawn"), ("replay", "--kind"), ("edit", "--log")],
)
def test_a_script_is_the_command_of_its_name(script: str, says: str) -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "jobs" / f"{script}.py"), "--help"],
        env={**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "120"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert says in done.stdout
