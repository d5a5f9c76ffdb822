from __future__ import annotations

import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from pipeline import storage
from pipeline.errors import RunError, UsageError
from pipeline.sinks import lease as leases
from pipeline.sinks.commits import read_commits
from pipeline.sinks.lease import writing
from pipeline.sinks.output import Output
from pipeline.sinks.part import write_part
from tests.sinks.tables import chunk_table, made, run_config


@pytest.fixture
def output(tmp_path: Path) -> Output:
    return made(run_config(str(tmp_path / "out")))


HOLD = """
import sys, time
from pipeline.sinks.lease import writing
from pipeline.sinks.output import existing_output
with writing(existing_output(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


@contextmanager
def another_run(output: Output) -> Iterator[subprocess.Popen[str]]:
    """A process that holds the lease of `output`."""
    command = [sys.executable, "-c", HOLD, output.path]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout and process.stdout.readline() == "held\n"
        try:
            yield process
        finally:
            process.kill()


def test_a_second_run_is_refused_and_told_who_holds_it(output: Output) -> None:
    with another_run(output) as other, pytest.raises(UsageError) as refused, writing(output):
        pass
    told = r"another run is writing there \(host .+, pid (\d+), since 20\d\d-.+Z\)"
    found = re.search(told, str(refused.value))
    assert found and int(found[1]) == other.pid


def test_the_lease_of_a_killed_run_on_this_machine_ends_at_once(output: Output) -> None:
    with another_run(output) as other:
        other.send_signal(signal.SIGKILL)
        other.wait()
        with writing(output) as held:
            assert held.lease == 2


def test_a_released_lease_is_free(output: Output) -> None:
    for number in (1, 2, 3):
        with writing(output) as held:
            assert held.lease == number
    assert len(list(Path(output.root, "_state/leases").iterdir())) == 1


def far(lease: leases.Lease, **changes: object) -> leases.Lease:
    """The lease of a run on a machine that cannot be looked into."""
    return replace(lease, host="far", place="another boot", **changes)


def test_a_far_lease_holds_until_it_expires(
    output: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = leases._own()
    storage.create(output.fs, leases._path(output, 7), far(own, pid=1).to_bytes())
    with pytest.raises(UsageError, match=r"host far, pid 1"), writing(output):
        pass
    storage.put(output.fs, leases._path(output, 7), far(own, expires=time.time() - 1).to_bytes())
    with writing(output) as held:
        assert held.lease == 8


def test_a_lease_is_renewed(output: Output, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "TTL", 0.4)
    with writing(output) as held:
        first = leases._read(output, held.lease or 0).expires
        wait_until(lambda: leases._read(output, held.lease or 0).expires > first + 0.4)


def wait_until(true: object, seconds: float = 20) -> None:
    ends = time.monotonic() + seconds
    while not true():  # type: ignore[operator]
        assert time.monotonic() < ends, "it never came"
        time.sleep(0.02)


def test_what_a_run_left_running_cannot_commit_after_another_took_over(output: Output) -> None:
    with writing(output) as old:
        write_part(old, chunk_table("a", 0))
        storage.put(output.fs, leases._path(output, 1), far(leases._own(), expires=0).to_bytes())
        with writing(output) as new:
            with pytest.raises(RunError, match=r"taken over by another run \(host"):
                write_part(old, chunk_table("a", 1))
            assert len(list(read_commits(output))) == 1
            write_part(new, chunk_table("a", 1))
        with writing(output), pytest.raises(RunError, match="taken over"):
            write_part(old, chunk_table("a", 2))


def test_of_many_at_once_one_holds(output: Output) -> None:
    inside, outcomes, barrier = threading.Semaphore(1), [], threading.Barrier(8)

    def compete(_: int) -> None:
        barrier.wait()
        try:
            with writing(output):
                assert inside.acquire(blocking=False), "two hold the lease"
                time.sleep(0.2)
                inside.release()
                outcomes.append("held")
        except UsageError:
            outcomes.append("refused")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(compete, range(8)))
    assert len(outcomes) == 8 and "held" in outcomes


def test_create_of_one_name_has_one_winner(tmp_path: Path) -> None:
    fs, root = storage.connect(str(tmp_path), storage.Storage())
    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(lambda n: storage.create(fs, f"{root}/x", str(n).encode()), range(16)))
    assert sum(won) == 1 and storage.read(fs, f"{root}/x") == str(won.index(True)).encode()
    assert [path.name for path in tmp_path.iterdir()] == ["x"]


def test_a_damaged_lease_is_told(output: Output) -> None:
    storage.put(output.fs, leases._path(output, 1), b"{}")
    with pytest.raises(UsageError, match=r"000001.json: not a lease"), writing(output):
        pass
