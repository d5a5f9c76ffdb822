"""Places that sources read from: a local folder, and a bucket on an S3 server in this process."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from moto.server import ThreadedMotoServer

from pipeline.storage import Storage, connect


@dataclass
class Place:
    """Somewhere to put files: `settings` are the config keys that read them."""

    path: str
    storage: Storage

    @property
    def settings(self) -> dict[str, Any]:
        return {"path": self.path, "storage": self.storage}

    def put(self, name: str, data: bytes) -> None:
        fs, root = connect(self.path, self.storage)
        fs.pipe_file(f"{root}/{name}", data) if "://" in self.path else _write(root, name, data)


def _write(root: str, name: str, data: bytes) -> None:
    path = Path(root, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


@pytest.fixture(scope="session")
def moto() -> Iterator[Storage]:
    """An S3 server in this process; any keys are accepted."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    patch = pytest.MonkeyPatch()
    patch.setenv("AWS_ACCESS_KEY_ID", "test")
    patch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    storage = Storage(endpoint_url=f"http://{host}:{port}")
    connect("s3://x", storage)[0].mkdir("sources-input")
    yield storage
    patch.undo()
    server.stop()


@pytest.fixture(params=["local", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """A folder, then a prefix in a bucket: each test that takes it runs on both."""
    if request.param == "local":
        return Place(str(tmp_path), Storage())
    return Place(f"s3://sources-input/{tmp_path.name}", request.getfixturevalue("moto"))


@pytest.fixture
def local(tmp_path: Path) -> Place:
    """A local folder."""
    return Place(str(tmp_path), Storage())
