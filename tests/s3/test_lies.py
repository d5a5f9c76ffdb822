"""Object stores that lie: listings that lag, repeat or fail, and no conditional put.

Behind a proxy, on a quick server in this process and on a real one.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from pipeline import storage
from pipeline.errors import RunError, UsageError
from pipeline.sinks import layout
from pipeline.sinks.commits import load_progress
from pipeline.sinks.lease import writing
from pipeline.sinks.output import Output, existing_output
from pipeline.sinks.part import write_part
from pipeline.sinks.sweep import sweep, untidy
from pipeline.sinks.verify import verify
from pipeline.storage import Storage
from tests.fault_proxy import FaultProxy
from tests.sinks.tables import chunk_table, made, run_config


@dataclass
class Place:
    proxy: FaultProxy
    output: Output
    straight: str  # the server itself

    def found(self) -> tuple[int, int, list[str], list[str]]:
        checked = verify(existing_output(self.output.path, self.straight))
        return checked.chunks, checked.planned, checked.problems, checked.warnings


@pytest.fixture(params=["moto", "s3_server"])
def place(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    server = request.getfixturevalue(request.param)
    bucket = "input" if isinstance(server, Storage) else server.bucket
    monkeypatch.setattr(storage, "TRIES", 2)
    with FaultProxy(server.endpoint_url, 0.0).running() as proxy:
        at = {"storage": {"endpoint_url": proxy.endpoint_url}}
        config = run_config(f"s3://{bucket}/lies-{uuid.uuid4().hex[:8]}", output=at)
        yield Place(proxy, made(config), server.endpoint_url)


def write(output: Output, chunks: int = 4) -> None:
    for chunk in range(chunks):
        write_part(output, chunk_table("a", chunk, last=chunk == chunks - 1))


@pytest.mark.parametrize("lie", ["lag", "repeat"])
def test_a_lying_listing_deletes_and_doubles_nothing(place: Place, lie: str) -> None:
    output = place.output
    with writing(output) as held:
        write(held)
        orphan = layout.part_path(
            "edits", output.run, layout.ChunkName(layout.shard_id("a"), 1), layout.token()
        )
        storage.put(output.fs, f"{output.root}/{orphan}", b"half a part")
    place.proxy.lie = lie
    with writing(output) as held:
        seen = load_progress(held)
        assert len(list(seen.names())) == (3 if lie == "lag" else 4)
        assert sweep(held, seen) == [orphan]
        write(held)
        assert sweep(held, load_progress(held)) == []
    assert place.proxy.seen[lie] >= 2
    assert place.found() == (4, 20, [], [])


def test_a_listing_that_fails_ends_the_run_and_deletes_nothing(place: Place) -> None:
    with writing(place.output) as held:
        write(held)
        place.proxy.lie = "broken"
        with pytest.raises(RunError, match="cannot list its commit records: a disk failed"):
            load_progress(held)
        assert not untidy(held, load_progress_before(held, place))
    place.proxy.lie = ""
    assert place.found() == (4, 20, [], [])


def load_progress_before(output: Output, place: Place) -> object:
    place.proxy.lie = ""
    progress = load_progress(output)
    place.proxy.lie = "broken"
    return progress


@pytest.mark.parametrize("lie", ["overwrites", "unconditional"])
def test_a_store_without_conditional_put_is_refused_in_one_line(place: Place, lie: str) -> None:
    place.proxy.lie = lie
    with (
        pytest.raises(UsageError, match=r"ignores If-None-Match.*; put output.path on a store"),
        writing(place.output),
    ):
        pass
    place.proxy.lie = ""
    names = list(storage.names(place.output.fs, f"{place.output.root}/_state/leases"))
    assert names == []


def test_a_lease_gets_old_by_the_stores_clock(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dataclasses import replace

    from pipeline.sinks import lease as leases

    far = replace(leases._own(), host="far", place="another boot")
    storage.create(place.output.fs, leases._path(place.output, 1), far.to_bytes())
    with pytest.raises(UsageError, match="host far"), writing(place.output):
        pass
    monkeypatch.setattr(leases, "TTL", -1.0)
    with writing(place.output) as held:
        assert held.lease == 2
