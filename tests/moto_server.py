"""A quick S3 server in this process for tests that need no real one; one for all tests, for
moto keeps one state a process, however many servers there are."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from moto.server import ThreadedMotoServer

from pipeline.storage import Storage, connect


@pytest.fixture(scope="session")
def moto() -> Iterator[Storage]:
    """An S3 server in this process; any keys are accepted."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    patch = pytest.MonkeyPatch()
    # Keys of the real server, where one was started before, serve here too; not the reverse.
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        patch.setenv(name, os.environ.get(name, "test"))
    storage = Storage(endpoint_url=f"http://{host}:{port}")
    connect("s3://x", storage)[0].mkdir("input")
    yield storage
    patch.undo()
    server.stop()
