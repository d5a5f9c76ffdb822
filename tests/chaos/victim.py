"""One run in a process of its own, and ways to kill it or a part of it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO

from tests import warm

COMMAND = [sys.executable, "-c", "from pipeline.cli import main; main()", "run"]
MARKS = {
    "actor": ("ray::MapWorker",),
    "node": ("raylet/raylet",),
    "task": ("ray::ReadChunks", "ray::MapBatches", "ray::ReadParquet", "ray::Write"),
}
PARTS = ("driver", "actor", "node", "task")
"""What can be killed."""


class Victim:
    """A running command."""

    def __init__(self, command: list[str], log: Path, environment: dict[str, str]) -> None:
        self._log = log
        self._start = log.stat().st_size if log.exists() else 0
        with log.open("ab") as out:
            self._process = _started(command, out, {**os.environ, **environment})

    def result(self) -> int | None:
        """Its exit status; None while it runs."""
        return self._process.poll()

    def find(self, part: str) -> int | None:
        """The process of a part: the driver itself, the model's actor, the node's raylet, or a
        task that reads or writes."""
        if part == "driver":
            return self._process.pid
        names = dict(_descendants(self._process.pid))
        found = [p for p, name in names.items() if any(mark in name for mark in MARKS[part])]
        # The last to start: of the tasks one that writes, where there is one.
        return max(found, default=None)

    def kill(self, part: str) -> bool:
        """Kills a part with no warning; False where it is not there now.

        With the driver or the node the whole run is over: waits until all of it is gone.
        """
        pid = self.find(part)
        if pid is None:
            return False
        family = [pid for pid, _ in _descendants(self._process.pid)]
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        if part in ("driver", "node"):
            self._await_end(family)
        return True

    def signal(self, number: signal.Signals) -> None:
        """Sends it and all its processes a signal: SIGSTOP, as a machine that stands still does."""
        for pid in [self._process.pid, *(pid for pid, _ in _descendants(self._process.pid))]:
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def _await_end(self, family: list[int]) -> None:
        # Ray notices a dead driver or raylet by itself; what is left after a while is ended by id.
        deadline = time.monotonic() + 60
        while self._process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.2)
        self._process.kill()
        self._process.wait()
        deadline = time.monotonic() + 10
        while any(map(_alive, family)) and time.monotonic() < deadline:
            time.sleep(0.2)
        for pid in filter(_alive, family):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def said(self) -> str:
        """What it printed."""
        return self._log.read_bytes()[self._start :].decode(errors="replace")

    def tail(self) -> str:
        """The end of what it printed."""
        return self.said()[-3000:]

    def died_plainly(self) -> bool:
        """Whether it ended well, or was killed, or said why in one line."""
        if self.result() not in (0, -signal.SIGKILL):
            time.sleep(1)  # where Ray ended it mutely, a process beside it says the line
        lines = [line for line in self.said().splitlines() if line.strip()]
        return self.result() in (0, -signal.SIGKILL) or (
            len(lines) == 1 and lines[0].startswith("error ")
        )


def _started(
    command: list[str], log: IO[bytes], environment: dict[str, str]
) -> subprocess.Popen[bytes] | warm.Command:
    """What starts a Ray is a process that is truly new."""
    if "--local" in command:
        return warm.start(*command[len(COMMAND) - 1 :], env=environment, log=log)
    return subprocess.Popen(command, stdout=log, stderr=log, env=environment)


def _descendants(root: int) -> Iterator[tuple[int, str]]:
    """(pid, command) of every process below `root`."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                children.setdefault(parent, []).append(int(entry.name))
    waiting = [root]
    while waiting:
        below = children.get(waiting.pop(), [])
        waiting += below
        for pid in below:
            with suppress(OSError):
                command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ")
                yield pid, command.decode(errors="replace")


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False
