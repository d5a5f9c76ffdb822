"""One record a run: when, where and how it went. Knows no stage; nothing depends on it.

`_state/runs/{id}.json` is written when a run begins and again when it ends, however it ends; one
without an end is at work, or its process was ended.
"""

from __future__ import annotations

import os
import socket
import uuid
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from pipeline import storage
from pipeline.sinks import layout
from pipeline.sinks.output import Output

FOLDER = f"{layout.STATE}/runs"
_ISO = "%Y-%m-%dT%H:%M:%SZ"
COUNTS = ("chunks", "rows", "planned", "written", "rejected", "dead", "removed", "passed", "gone")


class Foretold(BaseModel):
    """What a run was expected to take, from a look at its first rows and at the runs before it."""

    model_config = ConfigDict(frozen=True)

    evaluations: int
    bytes: int
    model_seconds: float | None = None  # where an earlier run of these settings tells its pace


class Entry(BaseModel):
    """What is known of one run. Seconds are of all models together, bytes those written."""

    model_config = ConfigDict(frozen=True)

    id: str  # begins with the time, so that names are in order
    begin: str  # UTC, ISO 8601
    end: str | None = None
    host: str
    pid: int
    fingerprint: str  # of the settings
    code_version: str
    # done | stopped | failed | refused (another run writes there) | interrupted;
    # no end: at work, or killed
    outcome: str = "no end"
    exit_code: int | None = None
    message: str = ""
    chunks: int = 0
    rows: int = 0
    planned: int = 0
    written: int = 0
    rejected: int = 0
    dead: int = 0
    removed: int = 0
    passed: int = 0
    gone: int = 0
    model_seconds: float = 0.0
    idle_seconds: float = 0.0  # the model waiting
    codec_seconds: float | None = None  # CPU of all threads; null: written before it was counted
    bytes: int = 0
    bytes_read: int | None = None  # of pictures and masks, as they are encoded
    evaluations: int | None = None  # rows through the network
    foretold: Foretold | None = None


def begun(output: Output) -> Entry:
    """Notes that a run begins; where that cannot be written, the run goes on without."""
    now = datetime.now(UTC)
    entry = Entry(
        id=f"{now:%Y%m%dT%H%M%S%f}-{uuid.uuid4().hex[:8]}",
        begin=f"{now:{_ISO}}",
        host=socket.gethostname(),
        pid=os.getpid(),
        fingerprint=output.fingerprint,
        code_version=str(output.provenance["code_version"]),
    )
    _put(output, entry)
    return entry


def ended(output: Output, entry: Entry, keep: int, **known: Any) -> None:
    """Notes how it ended (fields of `Entry`), and forgets all but the last `keep` runs."""
    _put(output, entry.model_copy(update={"end": _now(), **known}))
    with suppress(Exception):
        for old in sorted(_names(output))[:-keep]:
            storage.remove(output.fs, f"{output.root}/{FOLDER}/{old}")


def runs(output: Output, newest_first: bool = False) -> Iterator[Entry]:
    """Every run that is kept, in order of time; a damaged record is passed over."""
    with storage.explained(output.path, "read its runs"):
        for name in sorted(_names(output), reverse=newest_first):
            with suppress(ValidationError, FileNotFoundError):
                data = storage.read(output.fs, f"{output.root}/{FOLDER}/{name}")
                yield Entry.model_validate_json(data)


def pace(output: Output) -> float | None:
    """Evaluations a second of a model, as the newest run of these settings tells, if one does."""
    for run in runs(output, newest_first=True):
        if run.fingerprint == output.fingerprint and run.evaluations and run.model_seconds:
            return run.evaluations / run.model_seconds
    return None


def _names(output: Output) -> Iterator[str]:
    names = storage.names(output.fs, f"{output.root}/{FOLDER}")
    return (name for name in names if name.endswith(".json"))


def _put(output: Output, entry: Entry) -> None:
    data = entry.model_dump_json().encode()
    with suppress(Exception):  # a run does not fail for its record
        storage.put(output.fs, f"{output.root}/{FOLDER}/{entry.id}.json", data)


def _now() -> str:
    return f"{datetime.now(UTC):{_ISO}}"
