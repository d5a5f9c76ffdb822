"""Azurite, Microsoft's emulator of Azure Blob Storage, on loopback; see infra/test-tools.sh."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# The account and key that every Azurite has; they open nothing else.
ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """A container's abfs:// path; the environment says how to reach it, as a user's would."""
    program = ROOT / "node_modules/.bin/azurite-blob"
    if not program.exists() or not shutil.which("node"):
        pytest.skip("no azurite here: sh infra/test-tools.sh")
    port = free_port()
    where = ["--blobHost", "127.0.0.1", "--blobPort", str(port), "--inMemoryPersistence"]
    quiet = ["--skipApiVersionCheck", "--disableTelemetry", "--silent"]
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen([program, *where, *quiet], stdout=log, stderr=log, cwd=folder)
    try:
        wait(server, port, folder / "log")
        with pytest.MonkeyPatch.context() as patch:
            for name in [name for name in os.environ if name.startswith("AZURE_")]:
                patch.delenv(name)
            patch.setenv("AZURE_STORAGE_CONNECTION_STRING", _connection(port))
            yield _container("tests")
    finally:
        server.terminate()
        server.wait()


def free_port() -> int:
    """On loopback."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _connection(port: int) -> str:
    place = f"http://127.0.0.1:{port}/{ACCOUNT}"
    return (
        f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={KEY};"
        f"BlobEndpoint={place};"
    )


def _container(name: str) -> str:
    from pipeline.storage import Storage, connect

    fs, _ = connect(f"abfs://{name}", Storage())
    fs.clear_instance_cache()
    connect(f"abfs://{name}", Storage())[0].mkdir(name)
    return f"abfs://{name}"


def wait(server: subprocess.Popen[bytes], port: int, log: Path) -> None:
    """Returns once it answers."""
    for _ in range(300):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        assert server.poll() is None, log.read_text()
        time.sleep(0.1)
    raise AssertionError(f"it did not start: {log.read_text()}")
