"""Writing through a storage that fails 10 % of requests ends exactly once."""

from __future__ import annotations

import threading
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from pipeline import storage
from pipeline.errors import RunError, UsageError
from pipeline.sinks.commits import load_progress
from pipeline.sinks.lease import writing
from pipeline.sinks.output import Output, existing_output
from pipeline.sinks.part import write_part
from pipeline.sinks.sweep import sweep
from pipeline.sinks.verify import verify
from tests.fault_proxy import FAULTS, FaultProxy
from tests.s3_server import S3Server
from tests.sinks.tables import chunk_table, made, run_config

CHUNKS = 8


def through(proxy: FaultProxy, path: str) -> Output:
    place = {"storage": {"endpoint_url": proxy.endpoint_url}}
    return made(run_config(path, output=place))


@pytest.mark.parametrize("kind", ["cut", "lost", "all"])
def test_a_run_survives_faults_of_each_kind(s3_server: S3Server, kind: str) -> None:
    path = s3_server.path(f"faults-{uuid.uuid4().hex[:8]}")
    kinds = FAULTS if kind == "all" else (kind,)
    with FaultProxy(s3_server.endpoint_url, 0.1, seed=5, kinds=kinds).running() as proxy:
        output = through(proxy, path)
        with writing(output) as held:
            for chunk in range(CHUNKS):
                write_part(held, chunk_table("a", chunk, last=chunk == CHUNKS - 1))
            sweep(held, load_progress(held))
        assert sum(proxy.seen[k] for k in kinds) >= 3, proxy.seen
    found = verify(existing_output(path, s3_server.endpoint_url))
    assert found.problems == found.warnings == []
    assert (found.chunks, found.planned) == (CHUNKS, CHUNKS * 5)


def test_a_create_whose_reply_was_lost_is_still_known_as_ours(s3_server: S3Server) -> None:
    folder = f"{s3_server.bucket}/create-{uuid.uuid4().hex[:8]}"
    with FaultProxy(s3_server.endpoint_url, 0.4, seed=1, kinds=("lost",)).running() as proxy:
        fs, _ = storage.connect("s3://x", storage.Storage(endpoint_url=proxy.endpoint_url))
        for number in range(15):
            assert storage.create(fs, f"{folder}/{number}", b"mine"), proxy.seen
            assert not storage.create(fs, f"{folder}/{number}", b"another's")
        assert proxy.seen["lost"] >= 5


def test_of_many_runs_at_once_one_holds_the_lease(s3_server: S3Server) -> None:
    path = s3_server.path(f"lease-{uuid.uuid4().hex[:8]}")
    with FaultProxy(s3_server.endpoint_url, 0.1, seed=2).running() as proxy:
        output = through(proxy, path)
        done, refused = threading.Event(), list[int]()

        def compete(_: int) -> int | None:
            try:
                with writing(output) as held:
                    done.wait(60)
                    return held.lease
            except UsageError:
                refused.append(1)
                if len(refused) == 3:
                    done.set()
                return None

        with ThreadPoolExecutor(4) as pool:
            assert [n for n in pool.map(compete, range(4)) if n] == [1]


def test_a_storage_that_never_recovers_ends_the_run_with_one_line(
    s3_server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage, "TRIES", 2)
    with FaultProxy(s3_server.endpoint_url, 0.0, kinds=("throttled",)).running() as proxy:
        output = through(proxy, s3_server.path(f"down-{uuid.uuid4().hex[:8]}"))
        proxy.share = 1.0
        with pytest.raises(RunError, match=r"cannot write a part: .*request rate"):
            write_part(output, chunk_table("a", 0))
        assert proxy.seen["throttled"] <= 2 * 2 * 3


def test_credentials_that_expire_in_the_middle_end_the_run_at_once(s3_server: S3Server) -> None:
    with FaultProxy(s3_server.endpoint_url, 0.0, kinds=("expired",)).running() as proxy:
        output = through(proxy, s3_server.path(f"expired-{uuid.uuid4().hex[:8]}"))
        write_part(output, chunk_table("a", 0))
        proxy.share = 1.0
        with pytest.raises(RunError, match=r"permission denied \(.*expired.*\); check AWS_"):
            write_part(output, chunk_table("a", 1))
        assert proxy.seen["expired"] <= 3
        proxy.share = 0.0
        write_part(output, chunk_table("a", 1, last=True))
    assert not verify(output_at(s3_server, output)).problems


def output_at(server: S3Server, output: Output) -> Output:
    """The same output, straight from the server."""
    return existing_output(output.path, server.endpoint_url)
