"""A real S3 server on loopback for the tests that ask for `s3_server`; see infra/loopback-s3."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "infra" / "loopback-s3" / "ceph.sh"
CANNOT_INSTALL = 3


@dataclass(frozen=True)
class S3Server:
    """Where the server is; its keys are in the environment, where every S3 client looks."""

    endpoint_url: str
    bucket: str

    def path(self, name: str) -> str:
        """An s3:// path in the server's bucket."""
        return f"s3://{self.bucket}/{name}"


class NoServer(Exception):
    """The server is not here and cannot be installed."""


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """Ceph's gateway, started once; the tests are skipped where it cannot be installed."""
    try:
        with serving(tmp_path_factory.mktemp("s3")) as server:
            yield server
    except NoServer as error:
        pytest.skip(f"no S3 server: {error}")


@contextmanager
def serving(folder: Path) -> Iterator[S3Server]:
    """The server, with its state in `folder`. Raises NoServer."""
    port = _free_port()
    start = ["bash", SCRIPT, "start", folder, str(port)]
    started = subprocess.run(start, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if started.returncode == CANNOT_INSTALL:
        raise NoServer(started.stderr.strip().splitlines()[-1])
    assert started.returncode == 0, started.stderr
    with pytest.MonkeyPatch.context() as patch:
        for line in (folder / "credentials.env").read_text().splitlines():
            patch.setenv(*line.split("=", 1))
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        patch.delenv("AWS_PROFILE", raising=False)
        # Ceph 16 answers 411 to the trailing checksums of newer clients.
        patch.setenv("AWS_REQUEST_CHECKSUM_CALCULATION", "when_required")
        patch.setenv("AWS_RESPONSE_CHECKSUM_VALIDATION", "when_required")
        server = S3Server(f"http://127.0.0.1:{port}", "tests")
        try:
            _make_bucket(server)
            yield server
        finally:
            subprocess.run(["bash", SCRIPT, "stop", folder], check=True)


def _make_bucket(server: S3Server) -> None:
    import s3fs

    s3fs.S3FileSystem(endpoint_url=server.endpoint_url).mkdir(server.bucket)


def _free_port() -> int:
    # The script uses the two ports after it too.
    while True:
        with socket.socket() as one, socket.socket() as two, socket.socket() as three:
            one.bind(("127.0.0.1", 0))
            port = int(one.getsockname()[1])
            try:
                two.bind(("127.0.0.1", port + 1))
                three.bind(("127.0.0.1", port + 2))
            except OSError:
                continue
            return port
