"""Metrics of a real run on a Ray with its metrics agent, scraped by a real Prometheus."""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline.sinks import layout
from tests.datasets import catalogue, settings

ROOT = Path(__file__).parents[2]
MONITORING = ROOT / "infra/monitoring"
DASHBOARD = json.loads((MONITORING / "dashboard.json").read_text())
PYTHON = Path(sys.prefix) / "cluster/bin/python"
"""Of an environment with ray[default] beside this one's packages, see infra/test-tools.sh."""
NO_PROMETHEUS = pytest.mark.skipif(
    not shutil.which("promtool") or not shutil.which("prometheus"), reason="no Prometheus here"
)
NO_AGENT = pytest.mark.skipif(not PYTHON.exists(), reason=f"no ray[default] at {PYTHON}")


@NO_PROMETHEUS
def test_the_alerts_come_when_they_should() -> None:
    for check in (["check", "config", "prometheus.yml"], ["test", "rules", "rules_test.yml"]):
        done = subprocess.run(
            ["promtool", *check], cwd=MONITORING, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
    alerts = {rule["alert"] for rule in yaml.safe_load((MONITORING / "rules.yml").read_text())
              ["groups"][0]["rules"]}  # fmt: skip
    cases = (MONITORING / "rules_test.yml").read_text()
    tested = re.findall(r"alertname: (\w+)\n +exp_alerts:\n", cases)
    assert alerts == set(tested)


def free_ports(count: int) -> list[int]:
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [server.getsockname()[1] for server in held]
    for server in held:
        server.close()
    return ports


def soon(true: Callable[[], Any], what: str, seconds: float = 90) -> Any:
    """What `true()` gives once it is something."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = true()
        if found:
            return found
        time.sleep(0.5)
    raise AssertionError(f"{what}: not within {seconds} s")


@contextmanager
def ray_with_an_agent(folder: Path) -> Iterator[dict[str, str]]:
    """A Ray of its own; yields the environment that joins it."""
    port, dashboard, metrics = free_ports(3)
    env = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": secrets.token_hex(16),
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_metrics_report_interval_ms": "1000",
    }
    start = (
        f"start --head --block --port={port} --dashboard-port={dashboard} --num-cpus=3 "
        f"--dashboard-host=127.0.0.1 --metrics-export-port={metrics} --temp-dir={folder} "
        "--object-store-memory=100000000"
    )
    command = [PYTHON, "-m", "ray.scripts.scripts", *start.split()]
    with (
        (folder / "ray.log").open("w") as log,
        subprocess.Popen(command, env=env, stdout=log, stderr=log) as ray,
    ):
        try:
            found = folder / "prom_metrics_service_discovery.json"
            soon(lambda: ray.poll() is not None or found.exists(), "Ray starts")
            assert ray.poll() is None, (folder / "ray.log").read_text()
            yield {**env, "RAY_ADDRESS": f"127.0.0.1:{port}"}
        finally:
            ray.send_signal(signal.SIGTERM)
            try:
                ray.wait(60)
            except subprocess.TimeoutExpired:
                ray.kill()


@contextmanager
def prometheus(folder: Path, ray: Path) -> Iterator[Callable[[str], list[Any]]]:
    """Yields what asks it for the series of an expression."""
    config = yaml.safe_load((MONITORING / "prometheus.yml").read_text())
    config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    config["rule_files"] = [str(MONITORING / "rules.yml")]
    (found,) = config["scrape_configs"][0]["file_sd_configs"]
    found["files"] = [str(ray / Path(found["files"][0]).relative_to("/tmp/ray"))]
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    (port,) = free_ports(1)
    command = [
        "prometheus",
        f"--config.file={folder}/prometheus.yml",
        f"--storage.tsdb.path={folder}/data",
        f"--web.listen-address=127.0.0.1:{port}",
    ]

    def ask(expression: str) -> list[Any]:
        query = urllib.parse.urlencode({"query": expression})
        try:
            url = f"http://127.0.0.1:{port}/api/v1/query?{query}"
            with urllib.request.urlopen(url) as reply:
                result: list[Any] = json.load(reply)["data"]["result"]
        except ConnectionError:
            return []
        except urllib.error.URLError as error:
            assert "refused" in str(error), expression
            return []
        return result

    with (
        (folder / "prometheus.log").open("w") as log,
        subprocess.Popen(command, stdout=log, stderr=log) as process,
    ):
        try:
            yield ask
        finally:
            process.terminate()


def of_the_dashboard() -> list[str]:
    """Its queries, as Grafana would send them."""
    panels = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
    spans = [expr.replace("$__rate_interval", "1m").replace("$dataset", ".*") for expr in panels]
    return [re.sub(r"\[\d+[mh]\]", "[1m]", span) for span in spans]


def test_the_docs_tell_every_metric_and_no_other() -> None:
    from pipeline.engine.meters import COUNTERS, DEAD, ENDS, GAUGES, MASK_AREA

    told = re.findall(r"^\| `ray_(\w+)`", (ROOT / "docs/monitoring.md").read_text(), re.M)
    counters = [f"{one[0]}_total" for one in (*COUNTERS, DEAD, ENDS)]
    assert sorted(told) == sorted([*counters, *(one[0] for one in GAUGES), MASK_AREA[0]])


@NO_PROMETHEUS
@NO_AGENT
def test_prometheus_sees_a_run_and_every_query_of_the_dashboard_has_data(
    tiny_model: Path, tmp_path: Path
) -> None:
    from pipeline.engine.meters import AREAS, COUNTERS, DEAD, ENDS, GAUGES, MASK_AREA

    ray = Path(f"/tmp/m{secrets.token_hex(3)}")  # Ray's sockets need a short path
    ray.mkdir()
    config = settings(
        catalogue(tmp_path / "in", shards=3), tmp_path / "out", tiny_model,
        check={"keep": {"edit_change": {"min": 0.02}}}, run={"chunk_rows": 3, "actors": [1, 1]},
    )  # fmt: skip
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(config.model_dump(mode="json")))
    command = [PYTHON, "-c", "from pipeline.cli import main; main()"]
    command += ["run", tmp_path / "run.yaml", "--json"]
    with ray_with_an_agent(ray) as env, prometheus(tmp_path, ray) as ask:
        soon(lambda: ask("ray_node_cpu_count"), "Ray is scraped")
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        told = json.loads(done.stdout.splitlines()[-1])
        where = f'{{dataset="{tmp_path}/out"}}'
        soon(lambda: ask(f"ray_diffedit_runs_total{where}"), "the end is told")

        def total(name: str) -> float:
            (series,) = ask(f"sum(ray_{name}{where})")
            return float(series["value"][1])

        for name, of, _ in COUNTERS:
            if of in told:
                assert total(f"{name}_total") == pytest.approx(told[of], abs=0.01), name
        assert told["bytes_read"] > 0 and told["codec_seconds"] > 0
        assert total(f"{DEAD[0]}_total") == told["dead"] > 0
        assert total(f"{MASK_AREA[0]}_count") == told["written"] + told["rejected"]
        assert len(ask(f"ray_{MASK_AREA[0]}_bucket{where}")) == len(AREAS) + 1
        kinds = ask(f"ray_{DEAD[0]}_total{where}")
        (end,) = ask(f"ray_{ENDS[0]}_total{where}")
        assert (end["metric"]["outcome"], end["value"][1]) == ("done", "1")
        assert {k["metric"]["kind"] for k in kinds} == set(told["dead_by_kind"])
        run = json.loads((tmp_path / "out" / layout.RUN).read_text())["run"]
        assert {k["metric"]["run"] for k in kinds} == {run}
        seen = {f"{name}_total" for name, *_ in COUNTERS} | {f"{n[0]}_total" for n in (DEAD, ENDS)}
        for name in {*seen, *(name for name, _ in GAUGES)}:
            assert ask(f"max_over_time(ray_{name}{where}[5m])"), name
        for query in of_the_dashboard():
            # A panel shows what was: gauges are gone when the run is. A subquery's steps are whole
            # seconds, so what was scraped last is seen from the next of them on.
            soon(partial(ask, f"last_over_time(({query})[3m:1s])"), query, 10)
    shutil.rmtree(ray, ignore_errors=True)
