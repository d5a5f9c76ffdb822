"""A file that is written as it is made: whole or not there, and told as it is."""

from __future__ import annotations

import uuid
from hashlib import blake2b
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from pipeline import storage
from pipeline.sinks import streamed
from pipeline.sinks.streamed import stream
from pipeline.storage import Storage, connect
from tests.s3_server import S3Server

DATA = [bytes([i]) * (3 << 20) for i in range(4)]


def write(file: BinaryIO) -> None:
    for data in DATA:
        file.write(data)


def broken(file: BinaryIO) -> None:
    write(file)
    raise ValueError("broken")


@pytest.fixture(params=["local", "s3"])
def place(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[Any, str]:
    """A filesystem and a path in it."""
    monkeypatch.setattr(streamed, "PART_BYTES", 5 << 20)  # the least that S3 takes
    if request.param == "local":
        return connect(str(tmp_path / "out" / "file"), Storage())
    server: S3Server = request.getfixturevalue("s3_server")
    path = server.path(f"streamed-{uuid.uuid4().hex[:8]}/file")
    return connect(path, Storage(endpoint_url=server.endpoint_url))


def test_what_is_written_is_there_and_told(place: tuple[Any, str]) -> None:
    whole = b"".join(DATA)
    told = stream(*place, write)
    assert told == (len(whole), blake2b(whole, digest_size=16).hexdigest())
    assert storage.read(*place) == whole


def test_of_a_broken_one_nothing_is_left(place: tuple[Any, str]) -> None:
    fs, path = place
    with pytest.raises(ValueError, match="broken"):
        stream(fs, path, broken)
    assert not fs.exists(path) and list(storage.names(fs, path.rpartition("/")[0])) == []
    if not isinstance(fs, storage.LocalFileSystem):
        bucket = path.partition("/")[0]
        assert not fs.call_s3("list_multipart_uploads", Bucket=bucket).get("Uploads")


def test_a_storage_that_fails_for_a_moment_gets_it_again_from_the_beginning(
    place: tuple[Any, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage.time, "sleep", lambda _: None)
    calls: list[int] = []

    def failing(file: BinaryIO) -> None:
        calls.append(1)
        write(file)
        if len(calls) == 1:
            raise ConnectionResetError

    stream(*place, failing)
    assert len(calls) == 2 and storage.read(*place) == b"".join(DATA)
