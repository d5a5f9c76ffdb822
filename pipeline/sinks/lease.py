"""One writer an output: a second run is refused and told who holds it. Knows no chunk and no Ray.

Leases are numbered files, `_state/leases/{n:06d}.json`; the highest number holds. A run takes
n + 1, by a create that fails where there is one, once n is released, expired or its process is
gone. No store needs more than that one conditional put (If-None-Match: *, or a hard link on the
local disk); Ceph, for one, has no conditional overwrite. A holder renews its own file; who finds a
higher number has lost, and write tasks look right before each commit.

A lease saves work; no result rests on it. What a stalled run commits after all is one of several
attempts at a chunk, and of those one counts (`commits.py`).

No machine's clock is believed: a lease is over when the store says that its file was not written
for `TTL`, by the store's own clock, or when the kernel says that its process is gone.
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

from fsspec import AbstractFileSystem

from pipeline import storage
from pipeline.errors import Held, RunError, UsageError
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
    released: bool = False

    def to_bytes(self) -> bytes:
        """As it is stored."""
        return json.dumps(asdict(self)).encode()


@contextmanager
def writing(output: Output) -> Iterator[Output]:
    """Holds the output for this process; yields it with the lease that its write tasks check.

    Raises Held where another run holds it.
    """
    with storage.explained(output.path, "write the output"):
        number, lease = _take(output)
    stop = threading.Event()
    heart = threading.Thread(target=_renew, args=(output, number, lease, stop), daemon=True)
    heart.start()
    try:
        yield replace(output, lease=number, writer=lease.writer)
    finally:
        stop.set()
        heart.join()
        with suppress(Exception):  # it runs out by itself
            _put_own(output, number, replace(lease, released=True))


def check_held(output: Output) -> None:
    """Raises RunError where another run has taken over the lease that `output` was opened with."""
    if output.lease is None:
        return
    highest = max(_numbers(output), default=0)
    # The folder may have been removed and begun anew, and its numbers with it.
    if highest != output.lease or not _is_own(output, highest, output.writer):
        by = _who(_read(output, highest), highest) if highest else "its lease was removed"
        raise RunError(f"{output.path}: taken over by another run ({by}); this one stops")


def _take(output: Output) -> tuple[int, Lease]:
    lease = _own()
    if not _numbers(output):
        _refuse_overwriting(output.fs, f"{output.root}/{FOLDER}")
    while True:
        numbers = _numbers(output)
        number = max(numbers, default=0)
        if number:
            _refuse_held(output, number)
        number += 1
        if storage.create(output.fs, _path(output, number), lease.to_bytes()):
            break
    # A faster run may be beyond this number, and have tidied it away before we made it again.
    highest = max(_numbers(output))
    if highest > number:
        _refuse_held(output, highest, though_over=True)
    for old in numbers:
        storage.remove(output.fs, _path(output, old))
    return number, lease


def _renew(output: Output, number: int, lease: Lease, stop: threading.Event) -> None:
    while not stop.wait(TTL / 4):
        with suppress(Exception):  # the next beat tries again; the tasks check for themselves
            _put_own(output, number, lease)


def _put_own(output: Output, number: int, lease: Lease) -> None:
    if _is_own(output, number, lease.writer):
        storage.put(output.fs, _path(output, number), lease.to_bytes())


def _is_own(output: Output, number: int, writer: str) -> bool:
    try:
        lease = _read(output, number)
    except FileNotFoundError:
        return False
    return lease is not None and lease.writer == writer


def _read(output: Output, number: int) -> Lease | None:
    """The lease; None where it cannot be read: torn, or taken this moment and still empty."""
    try:
        return Lease(**json.loads(storage.read(output.fs, _path(output, number))))
    except (ValueError, TypeError):
        return None


def _numbers(output: Output) -> list[int]:
    names = storage.names(output.fs, f"{output.root}/{FOLDER}")
    return sorted(int(name[:-5]) for name in names if name[:-5].isdigit())


def _path(output: Output, number: int) -> str:
    return f"{output.root}/{_name(number)}"


def _name(number: int) -> str:
    return f"{FOLDER}/{number:06d}.json"


def _own() -> Lease:
    pid = os.getpid()
    return Lease(
        writer=uuid.uuid4().hex,
        host=socket.gethostname(),
        pid=pid,
        started=_started(pid) or 0,
        place=_place(),
        since=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    )


def _refuse_held(output: Output, number: int, though_over: bool = False) -> None:
    """Raises Held where the lease is another's and not over."""
    try:
        lease = _read(output, number)
        if not though_over and lease and (lease.released or _gone(lease)):
            return
        left = TTL - _age(output.fs, _path(output, number))
    except FileNotFoundError:
        return  # tidied away by who took the next
    if left < 0 and not though_over:
        return
    raise Held(
        f"{output.path}: another run is writing there ({_who(lease, number)}); "
        f"wait for it, or {max(1, round(left))} s if it is dead"
    )


def _refuse_overwriting(fs: AbstractFileSystem, folder: str) -> None:
    """Raises UsageError where a `create` in `folder` does not keep what another made before.

    Two writers could then hold one output, and two attempts at a chunk count.
    """
    path = f"{folder}/probe-{uuid.uuid4().hex}"
    try:
        first = storage.create(fs, path, b"first")
        second = storage.create(fs, path, b"second")
        kept = storage.read(fs, path) == b"first"
    except OSError as error:
        if "NotImplemented" not in storage.error_code(error):
            raise
        first = second = kept = False
    finally:
        storage.remove(fs, path)
    if not first or second or not kept:
        raise UsageError(
            f"{folder}: the store there does not keep one of two writers from writing over the "
            "other (it ignores If-None-Match: *); put output.path on a store with conditional "
            "writes (AWS S3, Ceph, MinIO) or on a local disk"
        )


def _age(fs: AbstractFileSystem, path: str) -> float:
    """Seconds since the file was written, both ends told by the store's clock, not by ours.

    Raises FileNotFoundError where there is none.
    """
    probe = f"{path.rpartition('/')[0]}/now-{uuid.uuid4().hex}"
    storage.put(fs, probe, b"")
    try:
        return _written(fs, probe) - _written(fs, path)
    finally:
        storage.remove(fs, probe)


def _written(fs: AbstractFileSystem, path: str) -> float:
    info = storage.retried(lambda: fs.info(path))
    return float(info["mtime"] if "mtime" in info else info["LastModified"].timestamp())


def _who(lease: Lease | None, number: int) -> str:
    who = f"host {lease.host}, pid {lease.pid}, since {lease.since}; " if lease else ""
    return f"{who}its lease is {_name(number)}"


def _gone(lease: Lease) -> bool:
    """Whether the kernel says that the process which took the lease is no more.

    Not seeing it is no proof: /proc may hide the processes of other users.
    """
    if not lease.place or lease.place != _place():
        return False
    try:
        os.kill(lease.pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass
    return _started(lease.pid) not in (None, lease.started)


def _place() -> str:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return ""


def _started(pid: int) -> int | None:
    """When the process started; 0 where it ended; None where /proc does not tell."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return 0 if fields[0] in "ZX" else int(fields[19])
