"""What a run loses when Ray does: an error of Ray's → one line. Knows no stage.

A bug in this package arrives in Ray's errors too, and keeps its traceback.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import ray
from ray import exceptions as lost

from pipeline.errors import GOES_ON, RunError

PATIENCE = 30.0
"""Seconds without an answer until the head counts as lost; after 60 Ray ends the process mutely."""

# The first that fits; a subclass stands before its base.
_LINES: tuple[tuple[type[Exception], str], ...] = (
    (
        lost.OutOfMemoryError,
        "memory ran out and Ray stopped a process of the run; fewer run.actors or a smaller "
        "run.chunk_rows need less",
    ),
    (lost.OutOfDiskError, "the disk that Ray spills to is full"),
    (lost.ObjectStoreFullError, "Ray's object store is full; raise run.object_store_gb"),
    (lost.NodeDiedError, "Ray lost a machine of the run"),
    (lost.LocalRayletDiedError, "Ray on this machine was killed"),
    (
        lost.ActorUnavailableError,
        "Ray lost touch with a process of the run: Ray was killed on its machine, or the network "
        "failed",
    ),
    (lost.RayActorError, "a process of the run died for good"),
    (lost.WorkerCrashedError, "a process of the run died again and again"),
    (lost.ObjectLostError, "Ray lost a chunk on its way and could not make it again"),
    (lost.RpcError, "Ray cannot be reached"),
    (lost.RaySystemError, "Ray failed"),
    (lost.RuntimeEnvSetupError, "Ray could not set up the environment of its workers"),
    (lost.TaskUnschedulableError, "Ray has no place for a task of the run"),
    (lost.ActorUnschedulableError, "Ray has no place for a model actor"),
)


def explained(error: BaseException) -> BaseException:
    """The RunError that `error` wraps or comes to, or `error` itself where it is a bug."""
    causes = list(_causes(error))
    for cause in causes:
        # Ray's own wrapping poses as the error that it wraps, with a traceback for its text.
        if isinstance(cause, RunError) and not isinstance(cause, lost.RayTaskError):
            # Ray Data adds lines of its own to what a stage raises.
            return type(cause)(str(cause).partition("\nFailed to apply UDF")[0])
    for cause in causes:
        for kind, line in _LINES:
            if isinstance(cause, kind):
                return RunError(f"{line}{_detail(cause)}; {GOES_ON}")
    return error


@contextmanager
def told() -> Iterator[None]:
    """Raises what an error comes to, see `explained`."""
    try:
        yield
    except Exception as error:
        meant = explained(error)
        if meant is error:
            raise
        raise meant from error


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = getattr(error, "cause", None) or error.__cause__


def _detail(error: BaseException) -> str:
    """Who and why, from Ray's text, which has no fields for them."""
    text = " ".join(str(error).split())
    name = re.search(r"class_name: (\S+)", text)
    reason = re.search(r"because [^.]+", text)
    said = ": ".join(found for found in (name and name[1], reason and reason[0]) if found)
    return f" ({said[:200]})" if said else ""


@contextmanager
def head_watched() -> Iterator[None]:
    """Raises RunError in the main thread where Ray's head is gone, before Ray ends the process."""
    done, gone = threading.Event(), threading.Event()
    address = ray.get_runtime_context().gcs_address
    thread = threading.Thread(target=_watch, args=(address, done, gone))
    thread.start()
    try:
        yield
    except BaseException as error:
        if gone.is_set():
            raise RunError(f"Ray's head ({address}) is gone; {GOES_ON}") from error
        raise
    finally:
        done.set()
        thread.join()


def _watch(address: str, done: threading.Event, gone: threading.Event) -> None:
    missed = 0.0
    beat = PATIENCE / 6
    while missed < PATIENCE:
        if done.wait(beat):
            return
        missed = 0.0 if answers(address) else missed + beat
    gone.set()
    os.kill(os.getpid(), signal.SIGINT)


def answers(address: str) -> bool:
    """Whether somebody listens at `host:port`."""
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=5).close()
    except OSError:
        return False
    return True
