"""The memory of a run on Ray as its dataset grows: this process and all that it starts.

Private memory is summed over the processes; the object store, which they share, is a figure of its
own. Linux alone: it reads /proc.
"""

from __future__ import annotations

import os
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ray

from jobs.benchmark.runs import go, noise, shards, stand_in
from jobs.benchmark.standin import Config as StandIn

EVERY = 0.2
"""Seconds between two looks."""


class Peaks:
    """The highest values seen, in MiB."""

    def __init__(self) -> None:
        self.private = 0.0
        self.largest = 0.0
        self.store = 0.0
        self.processes = 0
        self.looking = 0.0  # seconds of CPU
        self._cpu: dict[int, float] = {}  # of each process, as it was last seen

    @property
    def cpu(self) -> float:
        """CPU seconds of all processes so far, but for those of looking."""
        return sum(self._cpu.values()) - self.looking

    def look(self) -> None:
        """Looks once."""
        pids = descendants(os.getpid())
        self._cpu |= {pid: max(_cpu(pid), self._cpu.get(pid, 0.0)) for pid in pids}
        statuses = [_status(pid) for pid in pids]
        private = [s.get("RssAnon", 0) / 1024 for s in statuses]
        self.private, self.largest = max(self.private, sum(private)), max(self.largest, *private)
        self.store = max(self.store, _store() / 2**20)
        self.processes = max(self.processes, len(statuses))


def measure(images: int, side: int, chunk_rows: int) -> dict[str, Any]:
    """The table: peaks of a run on `images` PNGs of noise and on four times as many."""
    with tempfile.TemporaryDirectory(prefix="diffedit-") as name:
        rows = [_row(Path(name), count, side, chunk_rows) for count in (images, 4 * images)]
    return {
        "rows": rows,
        "ratio": rows[1]["private, MiB"] / rows[0]["private, MiB"],
        "images a chunk": chunk_rows,
    }


@contextmanager
def watched() -> Iterator[Peaks]:
    """Looks all the time, in a thread."""
    peaks, done = Peaks(), threading.Event()

    def watch() -> None:
        while not done.wait(EVERY):
            peaks.look()
            peaks.looking = time.thread_time()

    thread = threading.Thread(target=watch, daemon=True)
    peaks.look()
    thread.start()
    try:
        yield peaks
    finally:
        done.set()
        thread.join()
        peaks.look()


def descendants(root: int) -> list[int]:
    """`root` and every process below it."""
    children: defaultdict[int, list[int]] = defaultdict(list)
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            children[int(_status(int(folder.name)).get("PPid", 0))].append(int(folder.name))
    found = [root]
    for pid in found:
        found += children[pid]
    return found


def _store() -> float:
    """Bytes in use of Ray's object store."""
    if not ray.is_initialized():
        return 0.0
    name = "object_store_memory"
    # An empty answer is that of a Ray which starts or ends.
    whole, free = ray.cluster_resources().get(name, 0.0), ray.available_resources().get(name)
    return 0.0 if free is None else whole - free


def _status(pid: int) -> dict[str, float]:
    """The numbers of /proc/PID/status, memory in KiB; nothing where the process has ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return {}
    values = (line.split() for line in lines)
    wanted = ("PPid:", "RssAnon:")
    return {v[0].rstrip(":"): float(v[1]) for v in values if v and v[0] in wanted}


def _cpu(pid: int) -> float:
    """Seconds of a process, 0 where it has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _row(folder: Path, images: int, side: int, chunk_rows: int) -> dict[str, Any]:
    picture = noise(side)
    source = shards(folder / f"in-{images}", [picture], images, 8 * chunk_rows)
    config = stand_in(
        source, folder / f"out-{images}", StandIn(seconds=0.1), run={"chunk_rows": chunk_rows}
    )
    with watched() as peaks:
        tally = go(config)
    return {
        "images": tally.rows,
        "input, MiB": tally.rows * len(picture) / 2**20,
        "private, MiB": peaks.private,
        "largest process, MiB": peaks.largest,
        "object store, MiB": peaks.store,
        "processes": peaks.processes,
    }
