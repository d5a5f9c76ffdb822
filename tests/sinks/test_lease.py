from __future__ import annotations

import errno
import os
import re
import shutil
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
    told = (
        r"another run is writing there \(host .+, pid (\d+), since 20\d\d-.+Z; its lease is _state/"
    )
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


def written_ago(output: Output, number: int, seconds: float) -> None:
    """Has the store say that the lease was last written so long ago."""
    path = Path(leases._path(output, number))
    then = path.stat().st_mtime - seconds
    os.utime(path, (then, then))


def test_a_far_lease_holds_until_the_store_says_that_it_is_old(output: Output) -> None:
    storage.create(output.fs, leases._path(output, 7), far(leases._own(), pid=1).to_bytes())
    told = (
        r"host far, pid 1, since .+; its lease is _state/leases/000007.json\); wait for it, or 90 s"
    )
    with pytest.raises(UsageError, match=told), writing(output):
        pass
    written_ago(output, 7, 91)
    with writing(output) as held:
        assert held.lease == 8


@pytest.mark.parametrize("years", [-1, 1])
def test_no_machines_clock_is_believed(
    output: Output, monkeypatch: pytest.MonkeyPatch, years: int
) -> None:
    """A dead host's clock was a year off, or this one's is."""
    storage.create(output.fs, leases._path(output, 1), far(leases._own()).to_bytes())
    now = time.time
    monkeypatch.setattr(leases.time, "time", lambda: now() + years * 365 * 86400)
    with pytest.raises(UsageError, match=r"or (89|90) s if it is dead"), writing(output):
        pass
    written_ago(output, 1, 91)
    with writing(output) as held:
        assert held.lease == 2


@pytest.mark.parametrize("hidden", [None, PermissionError])
def test_a_process_that_proc_hides_is_not_dead(
    output: Output, monkeypatch: pytest.MonkeyPatch, hidden: type[Exception] | None
) -> None:
    """As /proc with hidepid: another user's live process has no folder there."""

    def kill(pid: int, number: int) -> None:
        if hidden:
            raise hidden

    with another_run(output), monkeypatch.context() as patch:
        patch.setattr(leases, "_started", lambda pid: None)
        patch.setattr(leases.os, "kill", kill)
        with pytest.raises(UsageError, match="another run is writing there"), writing(output):
            pass


LOOK = """
import json, os, sys
from pipeline.sinks import lease as leases
held = leases.Lease(**json.loads(sys.argv[1]))
os.setgroups([]), os.setgid(65534), os.setuid(65534)
print(leases._started(held.pid), leases._gone(held))
"""


@pytest.mark.skipif(
    subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode != 0,
    reason="we may not mount",
)
def test_another_users_process_under_a_real_hidepid(output: Output) -> None:
    mounted = 'mount -t proc -o hidepid=2 proc /proc && exec "$@"'
    look = ["unshare", "-m", "sh", "-c", mounted, "sh", sys.executable, "-c", LOOK]
    with another_run(output) as other:
        held = storage.read(output.fs, leases._path(output, 1)).decode()
        seen = subprocess.run([*look, held], capture_output=True, text=True)
        assert seen.stdout == "None False\n", seen.stderr
        other.kill()
        other.wait()
        seen = subprocess.run([*look, held], capture_output=True, text=True)
        assert seen.stdout == "None True\n", seen.stderr


@pytest.mark.parametrize("content", [b"", b"{}", b'{"writer": '])
def test_a_torn_lease_is_told_and_gets_old_like_any(output: Output, content: bytes) -> None:
    storage.put(output.fs, leases._path(output, 1), content)
    told = r"writing there \(its lease is _state/leases/000001.json\); wait for it, or"
    with pytest.raises(UsageError, match=told), writing(output):
        pass
    written_ago(output, 1, 91)
    with writing(output) as held:
        assert held.lease == 2


def test_a_disk_without_hard_links_has_one_winner_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    test_create_of_one_name_has_one_winner(tmp_path)


def test_a_lease_is_renewed(output: Output, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "TTL", 0.4)
    with writing(output) as held:
        file = Path(leases._path(output, held.lease or 0))
        first = file.stat().st_mtime
        wait_until(lambda: file.stat().st_mtime > first + 0.4)


def wait_until(true: object, seconds: float = 20) -> None:
    ends = time.monotonic() + seconds
    while not true():  # type: ignore[operator]
        assert time.monotonic() < ends, "it never came"
        time.sleep(0.02)


def test_what_a_run_left_running_cannot_commit_after_another_took_over(output: Output) -> None:
    with writing(output) as old:
        write_part(old, chunk_table("a", 0))
        storage.put(output.fs, leases._path(output, 1), far(leases._own()).to_bytes())
        written_ago(output, 1, 91)
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


def test_a_run_that_wakes_in_a_folder_begun_anew_commits_nothing(output: Output) -> None:
    with writing(output) as old:
        shutil.rmtree(output.root)
        anew = made(run_config(output.path, run={"seed": 7}))
        with writing(anew) as new:
            assert new.lease == old.lease == 1
            with pytest.raises(RunError, match="taken over by another run"):
                write_part(old, chunk_table("a", 0))
            write_part(new, chunk_table("a", 0))
            held = Path(leases._path(new, 1)).read_bytes()
    assert b'"released": true' not in held
    (commit,) = read_commits(output)
    assert commit.fingerprint == anew.fingerprint
