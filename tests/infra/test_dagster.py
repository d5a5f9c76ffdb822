"""The example for Dagster, with the real package: it loads, and its asset is one night's counts."""

from __future__ import annotations

import importlib.util
import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.infra.test_manifests import CRONJOB, ROOT, write_command

os.environ.setdefault("DAGSTER_DISABLE_TELEMETRY", "1")
dagster = pytest.importorskip("dagster")

ANSWER = dict.fromkeys(("rows", "rejected", "dead", "gone", "evaluations", "bytes"), 0)


@pytest.fixture(scope="module")
def example() -> Any:
    spec = importlib.util.spec_from_file_location("nightly", ROOT / "infra/dagster/nightly.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """`answers(document, code)`: from now on a `ray` that notes its arguments, and logs that."""

    def given(answer: dict[str, Any], code: int) -> None:
        log = f"images\\n{json.dumps(answer)}\\nJob raysubmit_1 ended"
        script = f"echo \"$@\" >> {tmp_path}/called; printf '{log}\\n'; exit {code}"
        write_command(tmp_path / "ray", script)
        monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")

    return given


def test_it_loads_and_runs_when_the_cronjob_does(example: Any) -> None:
    dagster.Definitions.validate_loadable(example.defs)
    schedule = example.defs.get_schedule_def("nightly")
    assert schedule.cron_schedule == CRONJOB["spec"]["schedule"]
    assert (ROOT / example.CONFIG).is_file()


def test_a_night_has_its_counts(example: Any, tmp_path: Path, answers: Any) -> None:
    answers({**ANSWER, "written": 7, "model_seconds": 1.5, "stopped": "run.max_hours"}, 0)
    done = dagster.materialize([example.edits])
    (made,) = done.asset_materializations_for_node("edits")
    metadata = {name: value.value for name, value in made.metadata.items()}
    assert (metadata["written"], metadata["stopped"]) == (7, "run.max_hours")
    said = (tmp_path / "called").read_text()
    assert said == f"job submit --working-dir . -- python jobs/edit.py {example.CONFIG} --json\n"


@pytest.mark.parametrize(("code", "again"), [(1, True), (2, False), (3, False)])
def test_a_night_that_failed_says_why(example: Any, answers: Any, code: int, again: bool) -> None:
    answers({"exit_code": code, "error": "no such bucket"}, 1)
    with pytest.raises(dagster.Failure, match="no such bucket") as failed:
        example._submitted(dagster.build_asset_context(), ["python"])
    assert failed.value.allow_retries is again


def test_a_job_that_was_killed_says_so(example: Any, answers: Any) -> None:
    answers({}, 137)
    with pytest.raises(dagster.Failure, match="the job ended with 137"):
        example._submitted(dagster.build_asset_context(), ["python"])
