"""Places that sources read from: a local folder, and a bucket on an S3 server in this process."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

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


@pytest.fixture(params=["local", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """A folder, then a prefix in a bucket: each test that takes it runs on both."""
    if request.param == "local":
        return Place(str(tmp_path), Storage())
    return Place(f"s3://input/{tmp_path.name}", request.getfixturevalue("moto"))


@pytest.fixture
def local(tmp_path: Path) -> Place:
    """A local folder."""
    return Place(str(tmp_path), Storage())
