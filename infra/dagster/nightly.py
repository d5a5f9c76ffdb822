"""Every night as an asset of Dagster: `ray job submit` of the edits, the run's counts its metadata.

    pip install dagster 'ray[default]'
    RAY_API_SERVER_ADDRESS=http://head:8265 DIFFEDIT_CONFIG=/config/run.yaml \\
        dagster dev -f infra/dagster/nightly.py

Started where the repository lies. A retry, or the next night, goes on from what is committed.
"""

import json
import os
import subprocess
from typing import Any

import dagster as dg

CONFIG = os.environ.get("DIFFEDIT_CONFIG", "configs/counterfactuals.yaml")
SUBMIT = ["ray", "job", "submit", "--working-dir", ".", "--"]
COUNTS = ("rows", "written", "rejected", "dead", "gone", "model_seconds", "evaluations", "bytes")


@dg.asset(retry_policy=dg.RetryPolicy(max_retries=2, delay=600))
def edits(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
    """The edits of whatever is new in the input."""
    answer = _submitted(context, ["python", "jobs/edit.py", CONFIG, "--json"])
    metadata = {name: answer[name] for name in COUNTS}
    if answer["stopped"]:  # by run.max_hours or run.max_edits
        metadata["stopped"] = answer["stopped"]
    return dg.MaterializeResult(metadata=metadata)


def _submitted(context: dg.AssetExecutionContext, command: list[str]) -> dict[str, Any]:
    """Runs a job, its log in Dagster's; the answer that `--json` puts at its end."""
    answer: dict[str, Any] = {}
    job = subprocess.Popen([*SUBMIT, *command], stdout=subprocess.PIPE, text=True)  # noqa: S603
    with job:
        for line in job.stdout or ():
            context.log.info(line.rstrip())
            answer = json.loads(line) if line.startswith("{") else answer
    if job.returncode or "written" not in answer:
        said = answer.get("error", f"the job ended with {job.returncode}")
        again = answer.get("exit_code", 1) not in (2, 3)  # another try changes no config
        raise dg.Failure(said, allow_retries=again)
    return answer


nightly = dg.ScheduleDefinition(
    "nightly",
    target=dg.AssetSelection.assets(edits),
    cron_schedule="0 1 * * *",
    execution_timezone="UTC",
)
defs = dg.Definitions(assets=[edits], schedules=[nightly])
