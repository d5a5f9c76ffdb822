"""Faults of the surroundings, on whole commands: one line and an exit code, and the same command
goes on. Those that need Ray are in `tests/chaos`."""

from __future__ import annotations

import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from pipeline.sinks.output import existing_output
from pipeline.sinks.verify import verify
from pipeline.storage import Storage
from tests import warm
from tests.datasets import catalogue, settings
from tests.fault_proxy import FaultProxy


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return catalogue(tmp_path_factory.mktemp("faults"))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 800 KiB, where we may mount one."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=800k", "none", str(disk)]
    try:
        made = subprocess.run(mount, capture_output=True, text=True).returncode == 0
    except FileNotFoundError:
        made = False
    if not made:
        pytest.skip("no disk of its own: this user may not mount one")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def config_file(folder: Path, config: object) -> Path:
    file = folder / "run.yaml"
    file.write_text(yaml.safe_dump(config.model_dump(mode="json")))  # type: ignore[attr-defined]
    return file


def local_run(file: Path) -> tuple[int, list[str]]:
    """Its exit status and the lines of its complaint."""
    done = warm.run("run", str(file), "--local")
    return done.returncode, [line for line in done.stderr.splitlines() if line.strip()]


@pytest.mark.skipif(sys.platform != "linux", reason="mounts a tmpfs")
def test_a_full_disk_is_told_and_the_run_goes_on_when_it_is_not(
    small_disk: Path, source: Path, tiny_model: Path, tmp_path: Path
) -> None:
    out = small_disk / "out"
    file = config_file(tmp_path, settings(source, out, tiny_model))
    code, said = local_run(file)
    assert (code, len(said)) == (1, 1), said
    assert said[0].startswith("error ") and str(out) in said[0]
    assert "No space left on device" in said[0]
    before = len(list((out / "_state/commits").rglob("*.json")))
    assert 0 < before < 6
    subprocess.run(["mount", "-o", "remount,size=8m", str(small_disk)], check=True)
    assert local_run(file) == (0, [])
    found = verify(existing_output(str(out)))
    assert (found.chunks, found.planned, found.problems, found.warnings) == (6, 34, [], [])


def test_credentials_that_expire_end_the_run_and_fresh_ones_go_on(
    moto: Storage, source: Path, tiny_model: Path, tmp_path: Path
) -> None:
    path = f"s3://input/expired-{uuid.uuid4().hex[:8]}"
    assert moto.endpoint_url
    with FaultProxy(moto.endpoint_url, 1.0, kinds=("expired",), after=45).running() as proxy:
        config = settings(source, path, tiny_model)
        place = {"storage": Storage(endpoint_url=proxy.endpoint_url)}
        output = config.output.model_copy(update=place)
        file = config_file(tmp_path, config.model_copy(update={"output": output}))
        code, said = local_run(file)
        assert (code, len(said)) == (1, 1), said
        assert path in said[0] and "expired" in said[0] and "check AWS_" in said[0]
        assert 0 < proxy.seen["expired"] <= 9, "it is not tried again and again"
        proxy.share = 0.0
        assert local_run(file) == (0, [])
    found = verify(existing_output(path, moto.endpoint_url))
    assert (found.chunks, found.planned, found.problems, found.warnings) == (6, 34, [], [])
