"""Notes of what is about to be tried, so that what ends its process is known to the next attempt.

Knows no stage. A note, `_state/attempts/{shard_id}/{place}-{n}.json`, is made before an attempt and
removed after it, however it ends; so one that is left says that its process died, or still runs.
"""

from __future__ import annotations

import json
import os
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from pipeline import storage
from pipeline.errors import RunError
from pipeline.sinks import layout
from pipeline.sinks.output import Output

FOLDER = f"{layout.STATE}/attempts"
DEATHS = 2
"""Attempts that ended their process before something else is done. One may be a preemption."""
_NOTE = re.compile(r"(?P<shard_id>[^/]+)/(?P<place>.+)-(?P<number>\d+)\.json")


@contextmanager
def noted(
    output: Output, shard: str, place: str, raising: type[RunError] = RunError
) -> Iterator[int]:
    """Notes an attempt at `place` of the shard; yields how many before it ended their process.

    Done, it removes the notes of all; failed with an error, its own. Raises `raising` where the
    output cannot be written.
    """
    with storage.explained(output.path, "write the output", raising):
        number = _note(output, shard, place)
    done = False
    try:
        yield number - 1
        done = True
    finally:
        with suppress(Exception):  # left, it only makes the next attempt more careful
            for old in range(1 if done else number, number + 1):
                storage.remove(output.fs, _path(output, shard, place, old))


def _note(output: Output, shard: str, place: str) -> int:
    who = {"host": socket.gethostname(), "pid": os.getpid(), "nonce": layout.token()}
    note = json.dumps({"shard": shard, "place": place, **who}).encode()
    number = 1
    while not storage.create(output.fs, _path(output, shard, place, number), note):
        number += 1
    return number


def _path(output: Output, shard: str, place: str, number: int) -> str:
    return f"{output.root}/{FOLDER}/{layout.shard_id(shard)}/{place}-{number}.json"


def left(output: Output) -> Iterator[str]:
    """Paths of all notes below the output folder."""
    for name in storage.names(output.fs, f"{output.root}/{FOLDER}"):
        if _NOTE.fullmatch(name):
            yield f"{FOLDER}/{name}"


def forget(output: Output) -> None:
    """Removes all notes: what they warn of is done."""
    for path in list(left(output)):
        storage.remove(output.fs, f"{output.root}/{path}")
