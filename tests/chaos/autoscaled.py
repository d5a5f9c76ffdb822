"""A run on a cluster that has no worker: one comes, and goes when the work is done.

With Ray's own autoscaler and its fake provider, whose machines are processes of this one.
`ray.cluster_utils.AutoscalingCluster` makes the settings, but is not started: that would stop every
other Ray of this machine.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import ray
from ray.cluster_utils import AutoscalingCluster

from pipeline.engine.run import run
from tests.chaos.submitted import PATIENCE, RAY, free_port, listens
from tests.datasets import catalogue, settings
from tests.tiny import make_folder

WORKER = {
    "resources": {"CPU": 3, "GPU": 1, "object_store_memory": 150 << 20},
    "node_config": {},
    "min_workers": 0,
    "max_workers": 1,
}


def from_zero(folder: Path, say: Callable[[str], None]) -> list[str]:
    """What is not as it should be, a line each."""
    model = make_folder(folder / "tiny")
    source = catalogue(folder / "in", 1)
    room = tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True)
    with room as temp, _head(Path(temp)) as address:
        ray.init(address, log_to_driver=False, logging_level="ERROR")
        counts, begun = [_workers()], time.monotonic()
        config = settings(source, folder / "out", model, run={"gpus_per_actor": 1})
        tally = run(config, local=False, verbose=False, watch=lambda _: counts.append(_workers()))
        ended = time.monotonic()
        while _workers() and time.monotonic() - ended < PATIENCE:
            time.sleep(1)
        counts.append(_workers())
        gone = time.monotonic()
        ray.shutdown()
    say(f"workers at first, at most, at last: {counts[0]}, {max(counts)}, {counts[-1]}")
    say(f"written {tally.written} in {ended - begun:.0f} s; gone {gone - ended:.0f} s later")
    seen = (counts[0], max(counts), counts[-1], tally.planned, tally.written)
    return [] if seen == (0, 1, 0, 17, 14) else [f"from zero: {seen}"]


def _workers() -> int:
    return sum(node["Alive"] and "GPU" in node["Resources"] for node in ray.nodes())


@contextmanager
def _head(folder: Path) -> Iterator[str]:
    """The address of a head without CPUs that may start one `WORKER`."""
    made = AutoscalingCluster({"CPU": 0}, {"gpu": WORKER}, idle_timeout_minutes=0.2)
    (folder / "autoscaling.json").write_text(json.dumps(made._config))
    port = free_port()
    command = [*RAY, "start", "--head", "--block", f"--port={port}", "--num-cpus=0"]
    command += [f"--temp-dir={folder}", f"--object-store-memory={100 << 20}"]
    command += [f"--autoscaling-config={folder}/autoscaling.json", "--include-dashboard=false"]
    quick = {"AUTOSCALER_UPDATE_INTERVAL_S": "1", "RAY_FAKE_CLUSTER": "1"}
    environment = {**os.environ, **quick, "RAY_USAGE_STATS_ENABLED": "0"}
    with (folder / "head.log").open("wb") as log:
        head = subprocess.Popen(
            command, stdout=log, stderr=log, env=environment, start_new_session=True
        )
    try:
        deadline = time.monotonic() + PATIENCE
        while not listens(port) and head.poll() is None and time.monotonic() < deadline:
            time.sleep(0.5)
        time.sleep(5)  # its store, too
        yield f"127.0.0.1:{port}"
    finally:
        with suppress(ProcessLookupError):
            os.killpg(head.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            head.wait(20)
        with suppress(ProcessLookupError):
            os.killpg(head.pid, signal.SIGKILL)
