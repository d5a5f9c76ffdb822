"""A machine of a cluster is lost in the middle of a run: the run goes on on the others."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from pipeline.sinks.output import existing_output
from pipeline.sinks.verify import verify
from tests.chaos.victim import COMMAND, Victim
from tests.datasets import catalogue, settings

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="finds processes in /proc")

PATIENCE = 900


@pytest.fixture
def cluster() -> Iterator[object]:
    """Three raylets on this machine, as three machines would be; two have a (pretended) GPU."""
    from ray.cluster_utils import Cluster

    # In the usual folder another Ray program on this machine would find it and join; and the names
    # of sockets in pytest's own are too long.
    with tempfile.TemporaryDirectory(prefix="ray-", dir="/tmp", ignore_cleanup_errors=True) as temp:
        head = {"num_cpus": 2, "num_gpus": 0, "include_dashboard": False, "temp_dir": temp}
        cluster = Cluster(
            initialize_head=True, head_node_args={**head, "object_store_memory": 100 << 20}
        )
        yield cluster
        cluster.shutdown()


def test_a_run_goes_on_without_a_lost_machine(cluster, tiny_model: Path, tmp_path: Path) -> None:
    nodes = [
        cluster.add_node(num_cpus=1, num_gpus=1, object_store_memory=100 << 20) for _ in range(2)
    ]
    config = settings(
        catalogue(tmp_path / "in", shards=3, per_shard=24),
        tmp_path / "out",
        tiny_model,
        edit={"steps": 30},
        run={"actors": 2, "address": cluster.address},
    )
    file = tmp_path / "run.yaml"
    file.write_text(yaml.safe_dump(config.model_dump(mode="json")))
    run = Victim([*COMMAND, str(file)], tmp_path / "log", {})
    commits = tmp_path / "out" / "_state/commits"
    deadline = time.monotonic() + PATIENCE
    while run.result() is None and len(list(commits.rglob("*.json"))) < 3:
        assert time.monotonic() < deadline, run.tail()
        time.sleep(0.2)
    assert run.result() is None, run.tail()
    cluster.remove_node(nodes[1], allow_graceful=False)
    while run.result() is None:
        assert time.monotonic() < deadline, run.tail()
        time.sleep(0.5)
    assert run.result() == 0, run.tail()
    found = verify(existing_output(str(tmp_path / "out")))
    assert (found.rows, found.planned, found.problems) == (72, 136, [])
    assert "72 images: planned 136" in run.said()
