"""Nights by `ray job submit` on a real cluster of this machine: a head and two workers.

Between them a folder of the input gains pictures, and the input gains a folder. The dashboard,
which takes jobs, needs `ray[default]` (pip install '.[cluster]').
"""

from __future__ import annotations

import os
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from pipeline.sinks.ledger import runs
from pipeline.sinks.output import existing_output
from pipeline.sinks.verify import verify
from tests.datasets import photo, settings
from tests.tiny import make_folder

ROOT = Path(__file__).parents[2]
RAY = [sys.executable, "-m", "ray.scripts.scripts"]
PATIENCE = 300.0
NIGHTS: tuple[dict[str, int], ...] = ({"mugs": 6, "cups": 4}, {"mugs": 3}, {"cups": 1, "pots": 5})
"""Pictures more in each folder, before each night."""


@dataclass
class Cluster:
    """Where a running one takes jobs, and what its commands need of the environment."""

    jobs: str
    environment: dict[str, str]

    def submit(self, *command: str) -> subprocess.CompletedProcess[str]:
        """`ray job submit` of a command in the repository, until it ends."""
        job = [*RAY, "job", "submit", "--address", self.jobs, "--working-dir", str(ROOT), "--"]
        return subprocess.run(
            [*job, *command],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )


@contextmanager
def cluster(folder: Path, workers: int = 2) -> Iterator[Cluster]:
    """Starts a head without CPUs and `workers` of two each; ends them, and no other Ray."""
    head, dashboard = _free_port(), _free_port()
    environment = {
        **os.environ,
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": secrets.token_hex(16),
        "RAY_USAGE_STATS_ENABLED": "0",
    }
    environment.pop("RAY_ADDRESS", None)
    memory = f"--object-store-memory={100 << 20}"
    first = ["--head", f"--port={head}", f"--dashboard-port={dashboard}", "--num-cpus=0"]
    first += ["--dashboard-host=127.0.0.1", f"--temp-dir={folder}", "--include-dashboard=true"]
    more = [f"--address=127.0.0.1:{head}", "--num-cpus=2"]
    processes: list[subprocess.Popen[bytes]] = []
    try:
        for number, options in enumerate([first, *[more] * workers]):
            command = [*RAY, "start", "--block", "--node-ip-address=127.0.0.1", memory, *options]
            with (folder / f"node-{number}.log").open("wb") as log:
                processes.append(
                    subprocess.Popen(
                        command, stdout=log, stderr=log, env=environment, start_new_session=True
                    )
                )
            _wait(lambda: _listens(dashboard), processes[-1])
        yield Cluster(f"http://127.0.0.1:{dashboard}", environment)
    finally:
        for process in reversed(processes):
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
        for process in processes:
            with suppress(subprocess.TimeoutExpired):
                process.wait(20)
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def nights(folder: Path, say: Callable[[str], None]) -> list[str]:
    """Three nights; what is not as it should be, a line each."""
    model = make_folder(folder / "tiny")
    where = {"type": "folder", "path": str(folder / "in")}
    config = settings(folder / "in", folder / "out", model, input=where)
    (folder / "run.yaml").write_text(yaml.safe_dump(config.model_dump(mode="json")))
    problems: list[str] = []
    room = tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True)
    with room as temp, cluster(Path(temp)) as there:
        for number, new in enumerate(NIGHTS, 1):
            problems += _night(there, folder, number, new, say)
    found = verify(existing_output(str(folder / "out")))
    total = 2 * sum(sum(new.values()) for new in NIGHTS)
    if found.problems or (found.written, found.dead) != (total, 0):
        problems.append(f"at last: {found.line()}, {total} edits were to be there")
    return problems


def _night(
    there: Cluster, folder: Path, number: int, new: dict[str, int], say: Callable[[str], None]
) -> list[str]:
    for name, count in new.items():
        _add(folder / "in" / name, count)
    before, started = _files(folder / "out"), time.monotonic()
    done = there.submit(sys.executable, "jobs/edit.py", str(folder / "run.yaml"), "--json")
    seconds = time.monotonic() - started
    entries = list(runs(existing_output(str(folder / "out"))))
    images = sum(new.values())
    last = entries[-1]
    told = (len(entries), last.outcome, last.rows, last.written, last.dead)
    say(f"night {number}: {told} in {seconds:.0f} s, exit {done.returncode}")
    problems = []
    if told != (number, "done", images, 2 * images, 0) or done.returncode:
        problems.append(f"night {number}: {told}, {images} images were new\n{done.stdout[-2000:]}")
    now = _files(folder / "out")
    changed = [name for name, content in before.items() if now.get(name) != content]
    return problems + [f"night {number}: {name} is another" for name in changed]


def _add(folder: Path, count: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    first = len(list(folder.glob("*.png")))
    for number in range(first, first + count):
        (folder / f"{number:03d}.png").write_bytes(photo(number))
        (folder / f"{number:03d}.txt").write_text("a green mug")


def _files(out: Path) -> dict[str, Any]:
    """The edits there are."""
    return {str(p.relative_to(out)): p.read_bytes() for p in out.glob("edits/*.parquet")}


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def _listens(port: int) -> bool:
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


def _wait(ready: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not ready():
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError("the cluster does not start; is ray[default] installed?")
        time.sleep(0.5)
