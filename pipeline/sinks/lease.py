"""One writer an output: a second run is refused and told who holds it. Knows no chunk and no Ray.

Leases are numbered files, `_state/leases/{n:06d}.json`; the highest number holds. A run takes
n + 1, by a create that fails where there is one, once n is released, expired or its process is
gone. No store needs more than that one conditional put (If-None-Match: *, or a hard link on the
local disk); Ceph, for one, has no conditional overwrite. A holder renews its own file; who finds a
higher number has lost, and write tasks look right before each commit.

A lease saves work; no result rests on it. What a stalled run commits after all is one of several
attempts at a chunk, and of those one counts (`commits.py`).

Expiry trusts clocks to agree within a fraction of `TTL`.
"""

from __future__ import annotations

import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from pipeline import storage
from pipeline.errors import RunError, UsageError
from pipeline.sinks import layout
from pipeline.sinks.output import Output

FOLDER = f"{layout.STATE}/leases"
TTL = 90.0
"""Seconds that a lease lasts unless renewed; it is renewed every quarter of that."""


@dataclass(frozen=True)
class Lease:
    """Who writes, as it stands in a lease file."""

    writer: str  # random: tells our own file from another's where a reply was lost
    host: str
    pid: int
    started: int  # when the process did, in the kernel's ticks: numbers of processes come again
    place: str  # boot and process namespace: where the same, the process can be looked up
    since: str  # UTC, ISO 8601
    expires: float  # seconds since the epoch; 0: released

    def over(self) -> bool:
        """Whether another run may take over."""
        near = bool(self.place) and self.place == _place()
        return self.expires < time.time() or (near and _started(self.pid) != self.started)

    def to_bytes(self) -> bytes:
        """As it is stored."""
        return json.dumps(asdict(self)).encode()


@contextmanager
def writing(output: Output) -> Iterator[Output]:
    """Holds the output for this process; yields it with the lease that its write tasks check.

    Raises UsageError where another run holds it.
    """
    with storage.explained(output.path, "write the output"):
        number, lease = _take(output)
    stop = threading.Event()
    heart = threading.Thread(target=_renew, args=(output, number, lease, stop), daemon=True)
    heart.start()
    try:
        yield replace(output, lease=number)
    finally:
        stop.set()
        heart.join()
        with suppress(Exception):  # it runs out by itself
            _put(output, number, replace(lease, expires=0))


def check_held(output: Output) -> None:
    """Raises RunError where another run has taken over the lease that `output` was opened with."""
    if output.lease is None:
        return
    highest = max(_numbers(output), default=0)
    if highest != output.lease:
        by = _who(_read(output, highest)) if highest else "its lease was removed"
        raise RunError(f"{output.path}: taken over by another run ({by}); this one stops")


def _take(output: Output) -> tuple[int, Lease]:
    lease = _own()
    while True:
        numbers = _numbers(output)
        number = max(numbers, default=0)
        if number and not (held := _read(output, number)).over():
            raise _refusal(output, held)
        number += 1
        if storage.create(output.fs, _path(output, number), lease.to_bytes()):
            break
    # A faster run may be beyond this number, and have tidied it away before we made it again.
    highest = max(_numbers(output))
    if highest > number:
        raise _refusal(output, _read(output, highest))
    for old in numbers:
        storage.remove(output.fs, _path(output, old))
    return number, lease


def _renew(output: Output, number: int, lease: Lease, stop: threading.Event) -> None:
    while not stop.wait(TTL / 4):
        with suppress(Exception):  # the next beat tries again; the tasks check for themselves
            _put(output, number, replace(lease, expires=time.time() + TTL))


def _put(output: Output, number: int, lease: Lease) -> None:
    storage.put(output.fs, _path(output, number), lease.to_bytes())


def _read(output: Output, number: int) -> Lease:
    path = _path(output, number)
    data = storage.read(output.fs, path)
    try:
        return Lease(**json.loads(data))
    except (ValueError, TypeError) as error:
        raise UsageError(f"{path}: not a lease; remove it if no run is going on") from error


def _numbers(output: Output) -> list[int]:
    names = storage.names(output.fs, f"{output.root}/{FOLDER}")
    return sorted(int(name[:-5]) for name in names if name[:-5].isdigit())


def _path(output: Output, number: int) -> str:
    return f"{output.root}/{FOLDER}/{number:06d}.json"


def _own() -> Lease:
    now = time.time()
    since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now))
    pid = os.getpid()
    return Lease(
        writer=uuid.uuid4().hex,
        host=socket.gethostname(),
        pid=pid,
        started=_started(pid),
        place=_place(),
        since=since,
        expires=now + TTL,
    )


def _refusal(output: Output, held: Lease) -> UsageError:
    seconds = max(1, round(held.expires - time.time()))
    return UsageError(
        f"{output.path}: another run is writing there ({_who(held)}); "
        f"wait for it, or {seconds} s if it is dead"
    )


def _who(lease: Lease) -> str:
    return f"host {lease.host}, pid {lease.pid}, since {lease.since}"


def _place() -> str:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return ""


def _started(pid: int) -> int:
    """When a process here started; 0 where it is not running (or there is no /proc to tell)."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0
    return 0 if fields[0] in "ZX" else int(fields[19])
