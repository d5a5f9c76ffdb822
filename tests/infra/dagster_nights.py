"""Runs the example for Dagster as a program; `test_dagster.py` says why. Fails by an assertion."""

from __future__ import annotations

import json
import os
import runpy
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import dagster
import yaml

ROOT = Path(__file__).parents[2]
COUNTS = dict.fromkeys(("rows", "rejected", "dead", "gone", "evaluations", "bytes"), 0)


def answers(folder: Path, answer: dict[str, Any], code: int) -> None:
    """From now on there is a `ray` that notes its arguments, and logs that."""
    log = f"images\\n{json.dumps(answer)}\\nJob raysubmit_1 ended"
    script = f"#!/bin/sh\necho \"$@\" >> {folder}/called; printf '{log}\\n'; exit {code}\n"
    (folder / "ray").write_text(script)
    (folder / "ray").chmod(0o755)


def loads(example: Any) -> None:
    """When the CronJob runs, so does it."""
    dagster.Definitions.validate_loadable(example.defs)
    *_, cronjob = yaml.safe_load_all((ROOT / "infra/kuberay/cronjob.yaml").read_text())
    assert example.nightly.cron_schedule == cronjob["spec"]["schedule"]
    assert (ROOT / example.CONFIG).is_file()


def has_its_counts(example: Any, folder: Path) -> None:
    answers(folder, {**COUNTS, "written": 7, "model_seconds": 1.5, "stopped": "run.max_hours"}, 0)
    done = dagster.materialize([example.edits])
    (made,) = done.asset_materializations_for_node("edits")
    metadata = {name: value.value for name, value in made.metadata.items()}
    assert (metadata["written"], metadata["stopped"]) == (7, "run.max_hours")
    said = (folder / "called").read_text()
    assert said == f"job submit --working-dir . -- python jobs/edit.py {example.CONFIG} --json\n"


def says_why_it_failed(example: Any, folder: Path) -> None:
    error = "no such bucket"
    for code, said, again in ((1, error, True), (2, error, False), (3, error, False)):
        answers(folder, {"exit_code": code, "error": error}, 1)
        assert failure(example) == (said, again)
    answers(folder, {}, 137)
    assert failure(example) == ("the job ended with 137", True)


def failure(example: Any) -> tuple[str | None, bool]:
    try:
        example._submitted(dagster.build_asset_context(), ["python"])
    except dagster.Failure as failed:
        return failed.description, failed.allow_retries
    raise AssertionError("it did not fail")


if __name__ == "__main__":
    nightly = SimpleNamespace(**runpy.run_path(str(ROOT / "infra/dagster/nightly.py")))
    with tempfile.TemporaryDirectory() as made:
        os.environ["PATH"] = f"{made}:{os.environ['PATH']}"
        loads(nightly)
        has_its_counts(nightly, Path(made))
        says_why_it_failed(nightly, Path(made))
    sys.exit(0)
