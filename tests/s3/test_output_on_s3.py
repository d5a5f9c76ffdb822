"""The writer, resume and verify against a real S3 server."""

from __future__ import annotations

import uuid
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline import storage
from pipeline.config import RunConfig
from pipeline.errors import UsageError
from pipeline.sinks import layout
from pipeline.sinks.commits import commit_names, load_progress
from pipeline.sinks.output import existing_output, open_output
from pipeline.sinks.part import write_part
from pipeline.sinks.sweep import sweep
from pipeline.sinks.verify import verify
from tests.s3_server import S3Server
from tests.sinks.tables import chunk_table, made, run_config


@pytest.fixture
def config(s3_server: S3Server) -> RunConfig:
    return config_at(s3_server, s3_server.path(f"out-{uuid.uuid4().hex[:8]}"))


def config_at(server: S3Server, path: str, **place: Any) -> RunConfig:
    return run_config(path, output={"storage": {"endpoint_url": server.endpoint_url, **place}})


class Shard:
    path, version = "a/00.tar", "v1"


def test_a_run_is_written_resumed_and_verified(config: RunConfig, s3_server: S3Server) -> None:
    output = made(config, {"model_id": "tiny"})
    commits = [write_part(output, chunk_table("a/00.tar", chunk)) for chunk in (0, 2)]
    assert write_part(output, chunk_table("a/00.tar", 0)) == commits[0]

    output = open_output(config, {"model_id": "tiny"})
    progress = load_progress(output)
    assert list(progress.done(Shard())) == [0, 2] and not progress.finished(Shard())
    write_part(output, chunk_table("a/00.tar", 1))
    write_part(output, chunk_table("a/00.tar", 3, last=True))
    assert load_progress(output).finished(Shard())

    found = verify(existing_output(config.output.path, s3_server.endpoint_url))
    assert found.problems == found.warnings == []
    assert (found.planned, found.written, found.dead) == (20, 12, 8)


def test_leftovers_are_swept(config: RunConfig) -> None:
    output = made(config)
    commit = write_part(output, chunk_table("a/00.tar", 0))
    lost = layout.part_path("edits", output.run, commit.name, layout.token())
    storage.put(output.fs, f"{output.root}/{lost}", b"half a part")
    assert sweep(output, load_progress(output)) == [lost]
    assert not output.fs.exists(f"{output.root}/{lost}") and not verify(output).problems


def test_a_long_listing_is_read_to_its_end(config: RunConfig) -> None:
    output = made(config)
    name = layout.ChunkName(layout.shard_id("b"), 0)
    paths = [layout.commit_path(replace(name, chunk=n)) for n in range(1001)]
    output.fs.pipe({f"{output.root}/{path}": b"{}" for path in paths})
    assert sum(1 for _ in commit_names(output)) == 1001


def test_what_cannot_be_reached_is_one_clear_line(
    s3_server: S3Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=r"no such file, folder or bucket$"):
        made(config_at(s3_server, "s3://no-such-bucket/out"))
    with pytest.raises(UsageError, match=r"no _state/run.json there"):
        existing_output(s3_server.path("nothing"), s3_server.endpoint_url)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    storage.connect("s3://x", config_at(s3_server, "s3://x").output.storage)[
        0
    ].clear_instance_cache()
    with pytest.raises(
        UsageError, match=r"permission denied \(.+\); check AWS_ACCESS_KEY_ID"
    ) as refused:
        open_output(config_at(s3_server, s3_server.path("out")))
    assert "wrong" not in str(refused.value)
    monkeypatch.undo()
    storage.connect("s3://x", config_at(s3_server, "s3://x").output.storage)[
        0
    ].clear_instance_cache()
