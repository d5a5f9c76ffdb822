"""What Ray raises → one line; what is a bug stays one. With real kills: `tests/chaos`."""

from __future__ import annotations

import re

import pytest
from ray import exceptions as lost

from pipeline.engine.losses import answers, explained
from pipeline.errors import RunError, TooManyDead

DIED = """The actor died unexpectedly before finishing this task.
\tclass_name: MapWorker(MapBatches(EditActor))
\tpid: 1
The actor is dead because its worker process has died. Worker exit type: SYSTEM_ERROR Worker exit
detail: Worker unexpectedly exits. Some common causes include: (1) the process was killed"""


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (lost.OutOfMemoryError("Memory on the node\nwas 15 GB"), "memory ran out"),
        (
            lost.RayActorError("ab", DIED),
            r"died for good \(MapWorker\(MapBatches\(EditActor\)\): because its worker process has",
        ),
        (lost.ActorUnavailableError("RpcError", None), "lost touch"),
        (lost.WorkerCrashedError(), "died again and again"),
        (lost.LocalRayletDiedError(), "Ray on this machine"),
        (lost.NodeDiedError("gone"), "lost a machine"),
        (lost.ObjectLostError("ab", None, ""), "lost a chunk"),
        (lost.OwnerDiedError("ab", None, ""), "lost a chunk"),
        (lost.ObjectStoreFullError("full"), "run.object_store_gb"),
        (lost.RaySystemError("broken"), "Ray failed"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_loss_is_one_line(error: Exception, line: str) -> None:
    wrapped = RuntimeError("internal")
    wrapped.__cause__ = error
    for each in (error, wrapped):
        found = explained(each)
        assert type(found) is RunError and found.exit_code == 1
        assert re.search(line, str(found))
        assert "\n" not in str(found) and "the same command goes on" in str(found)
        assert len(str(found)) < 400


def test_what_a_stage_raised_on_purpose_comes_out_as_it_was() -> None:
    error = TooManyDead("5 of 6\nFailed to apply UDF transform after 1/1 attempts")
    wrapped = lost.RayTaskError("f", "Traceback …", error, pid=1, ip="1.2.3.4")
    found = explained(wrapped.as_instanceof_cause())
    assert type(found) is TooManyDead and str(found) == "5 of 6"


def test_a_bug_stays_what_it_is() -> None:
    wrapped = lost.RayTaskError("f", "Traceback …", AssertionError("lost"), pid=1, ip="1.2.3.4")
    for error in (AssertionError("lost"), wrapped.as_instanceof_cause()):
        assert explained(error) is error


def test_nobody_answers_where_nobody_listens() -> None:
    assert not answers("127.0.0.1:1")
