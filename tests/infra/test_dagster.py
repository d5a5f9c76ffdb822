"""The example for Dagster, with the real package: it loads, and its asset is one night's counts.

In a process of its own: with Dagster in it, pytest cannot parse every module it meets any more
("AST constructor recursion depth mismatch", Python 3.11).
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.skipif(not importlib.util.find_spec("dagster"), reason="pip install dagster")
def test_a_night_has_its_counts_or_says_why_it_failed() -> None:
    done = subprocess.run(
        [sys.executable, Path(__file__).with_name("dagster_nights.py")],
        env={**os.environ, "DAGSTER_DISABLE_TELEMETRY": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
