"""Strikes runs at random moments, resumes them, and counts what was lost, doubled and repeated.

A strike is a kill of a part; a stall, in which another run takes over and the first then wakes;
or the kill of a run that is told lies by every listing. A round is one dataset edited into one
fresh output, with a few strikes on the way. The yardstick is one undisturbed run of the dataset.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import pyarrow.parquet as pq
import yaml

from pipeline import storage
from pipeline.sinks.commits import commit_names
from pipeline.sinks.output import Output, existing_output
from pipeline.sinks.verify import verify
from pipeline.storage import Storage
from tests.chaos.victim import COMMAND, PARTS, Victim
from tests.datasets import catalogue, settings
from tests.fault_proxy import FaultProxy
from tests.tiny import make_folder

Say = Callable[[str], None]
TRACE = Path(__file__).parent / "trace"
FAULTY_SHARE = 0.1
KILLS_A_ROUND = 5
STRIKES = ("driver", "stall", "driver", "actor", "lie", "node", "stall", "driver", "task", "lie")
"""In this order; after a stall the run that took over is struck."""
LIES = ("lag", "broken", "repeat")
TTL = "8"
"""Seconds that a lease lasts here, so that a stall need not be long."""
PATIENCE = 600
"""Seconds that an undisturbed stretch of a run may take."""


@dataclass
class Outcome:
    """Sums over the rounds."""

    planned: int = 0
    written: int = 0
    rejected: int = 0
    dead: int = 0
    lost: int = 0
    duplicated: int = 0
    different: int = 0  # another picture than the undisturbed run's
    begun: int = 0  # edits that the edit stage started, over all attempts
    needed: int = 0  # what an undisturbed run starts
    kills: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)

    def sound(self) -> bool:
        return not (self.lost or self.duplicated or self.different or self.problems)

    def line(self) -> str:
        repeated = 100 * (self.begun - self.needed) / max(1, self.needed)
        return (
            f"planned {self.planned}, written {self.written}, rejected {self.rejected}, "
            f"dead {self.dead}, lost {self.lost}, "
            f"duplicated {self.duplicated}, repeated work {repeated:.0f} %"
        )


class Campaign:
    """Strikes on one dataset; `endpoint` is a real S3 server's, its keys in the environment."""

    def __init__(
        self,
        folder: Path,
        seed: int,
        endpoint: str | None,
        say: Say,
        per_shard: int = 48,
        tries: int = 1,
    ) -> None:
        """`tries`: at each edit, of which the best is kept."""
        self._folder = folder
        best_of = {"variants": {"tries": tries, "by": "edit_change"}} if tries > 1 else {}
        # Steps enough that editing is the slow part, as it is with a real model.
        self._edit = {"steps": 30, **best_of}
        self._random = random.Random(seed)
        self._endpoint = endpoint
        self._say = say
        self._proxy: FaultProxy | None = None
        self._spread = 1 + per_shard // 12  # commits until a kill, at most
        self._model = make_folder(folder / "model")
        self._source = catalogue(folder / "input", shards=3, per_shard=per_shard)
        self.outcome = Outcome()

    def run(self, kills: int) -> Outcome:
        """Rounds, on local disk and on S3 by turns, until `kills` kills are done."""
        self._reference = self._undisturbed()
        while (done := self.outcome.kills.total()) < kills:
            number = len(list(self._folder.glob("round-*")))
            with self._place(number) as (path, endpoint):
                self._say(f"round {number}: {path} ({done} of {kills} kills so far)")
                self._round(number, path, endpoint, min(KILLS_A_ROUND, kills - done))
        return self.outcome

    def _undisturbed(self) -> dict[tuple[str, str, str | None], object]:
        folder = self._folder / "reference"
        self._attempt(folder, str(folder / "out"), None, kills=0)
        self._per_round = _begun(folder)
        return _rows(existing_output(str(folder / "out")))[1]

    @contextmanager
    def _place(self, number: int) -> Iterator[tuple[str, str | None]]:
        if self._endpoint is None or number % 2 == 0:
            self._proxy = None
            yield str(self._folder / f"round-{number}" / "out"), None
            return
        seed = self._random.randrange(1 << 30)
        with FaultProxy(self._endpoint, FAULTY_SHARE, seed).running() as proxy:
            self._proxy = proxy
            yield f"s3://tests/chaos-{os.getpid()}-{number}", proxy.endpoint_url
            self._say(f"  faults: {dict(proxy.seen)}")

    def _round(self, number: int, path: str, endpoint: str | None, kills: int) -> None:
        folder = self._folder / f"round-{number}"
        self._attempt(folder, path, endpoint, kills)
        output = existing_output(path, self._endpoint if endpoint else None)
        if any("next run removes it" in told for told in verify(output).warnings):
            tidying = self._start(True)
            _wait(lambda: tidying.result() is not None)
        self._judge(output, folder)

    def _attempt(self, folder: Path, path: str, endpoint: str | None, kills: int) -> None:
        """Runs into `path` with up to `kills` kills until a run ends well (0: without Ray)."""
        folder.mkdir(parents=True)
        config = settings(
            self._source,
            path,
            self._model,
            edit=self._edit,
            check={"keep": {"mask_area": {"min": 0.49}}},  # a sixth is rejected
            run={"max_dead_share": 1},
        )
        place = config.output.model_copy(update={"storage": Storage(endpoint_url=endpoint)})
        config = config.model_copy(update={"output": place})
        file = folder / "config.yaml"
        file.write_text(yaml.safe_dump(config.model_dump(mode="json")))
        environment = {
            "CHAOS_TRACE": str(folder / "trace.log"),
            "CHAOS_TTL": TTL,
            "PYTHONPATH": os.pathsep.join(
                [str(TRACE), str(Path.cwd()), os.environ.get("PYTHONPATH", "")]
            ),
        }
        self._start = partial(self._run, file, folder, environment, endpoint)
        failures = 0
        while True:
            kind = STRIKES[self.outcome.kills.total() % len(STRIKES)] if kills else ""
            # Only what Ray adds needs Ray: a start of it takes as long as all edits of a round.
            victim = self._started(kind)
            while victim.result() is None:
                struck = kind and self._strike(victim, kind, path, endpoint)
                if struck:
                    victim, kills, failures = struck, kills - 1, 0
                    following = STRIKES[self.outcome.kills.total() % len(STRIKES)]
                    kind = following if kind == "stall" and kills else ""
                else:
                    time.sleep(0.5)
            if self._proxy:
                self._proxy.lie = ""
            if not victim.died_plainly():
                self.outcome.problems.append(f"not one line: {victim.tail()}")
            if victim.result() == 0:
                return
            if victim.result() != -9:
                failures += 1
                self._say(f"  ended with {victim.result()}: {victim.tail().strip()[-200:]}")
            assert failures < 4, f"the run does not recover:\n{victim.tail()}"

    def _run(
        self,
        file: Path,
        folder: Path,
        environment: dict[str, str],
        endpoint: str | None,
        local: bool,
        lie: str = "",
    ) -> Victim:
        log = folder / f"run-{len(list(folder.glob('run-*.log')))}.log"
        lie = "" if endpoint else lie  # on S3 it is the proxy that lies
        more = ["--local"] if local else []
        return Victim([*COMMAND, str(file), *more], log, {**environment, "CHAOS_LIE": lie})

    def _started(self, kind: str) -> Victim:
        """A run of the round; of the kind `lie` one that every listing lies to."""
        lie = LIES[self.outcome.kills["lie"] % len(LIES)] if kind == "lie" else ""
        if self._proxy:
            self._proxy.lie = lie
        return self._start(kind not in PARTS, lie)

    def _strike(self, victim: Victim, kind: str, path: str, endpoint: str | None) -> Victim | None:
        """Strikes at a random moment; the run that goes on, None if the run ended before."""
        when = "working"
        if self._random.random() < 0.25 and kind not in ("stall", "lie"):
            when = "starting"
            moment = self._seconds_in(self._random.uniform(1, 20))
        else:
            moment = self._commits_in(path, endpoint, self._random.randint(1, self._spread))
        if not _wait(lambda: victim.result() is not None or moment()):
            victim.kill("driver")
            raise AssertionError(f"the run hangs:\n{victim.tail()}")
        time.sleep(self._random.uniform(0, 1.5))
        if kind != "lie" and victim.result() is not None:
            return None
        if kind == "stall":
            victim = self._stalled(victim, path, endpoint)
        elif victim.result() is None and not victim.kill("driver" if kind == "lie" else kind):
            return None
        self.outcome.kills[kind] += 1
        self._say(f"  {kind} while {when}")
        return victim

    def _stalled(self, victim: Victim, path: str, endpoint: str | None) -> Victim:
        """Stops the run until another took over and committed; wakes it; the other goes on."""
        victim.signal(signal.SIGSTOP)
        for _ in range(20):
            taker = self._start(True)
            moment = self._commits_in(path, endpoint, self._random.randint(1, self._spread))
            _wait(lambda: taker.result() is not None or moment())  # noqa: B023
            if taker.result() in (None, 0):
                break
        victim.signal(signal.SIGCONT)
        if not _wait(lambda: victim.result() is not None) or not victim.died_plainly():
            self.outcome.problems.append(f"woke and did not end in one line: {victim.tail()}")
        return taker

    def _seconds_in(self, seconds: float) -> Callable[[], bool]:
        until = time.monotonic() + seconds
        return lambda: time.monotonic() > until

    def _commits_in(self, path: str, endpoint: str | None, more: int) -> Callable[[], bool]:
        place = self._endpoint if endpoint else None

        def commits() -> int:
            output = Output(path, Storage(endpoint_url=place), {}, "", {}, "")
            return sum(1 for _ in commit_names(output))

        wanted = commits() + more
        return lambda: commits() >= wanted

    def _judge(self, output: Output, folder: Path) -> None:
        found = verify(output)
        counts, rows = _rows(output)
        self.outcome.problems += found.problems + found.warnings
        self.outcome.planned += len(self._reference)
        self.outcome.written += found.written
        self.outcome.rejected += found.rejected
        self.outcome.dead += found.dead
        self.outcome.lost += len(self._reference.keys() - rows.keys())
        self.outcome.duplicated += sum(counts.values()) - len(rows)
        self.outcome.different += sum(
            self._reference.get(name) != row for name, row in rows.items()
        )
        self.outcome.begun += _begun(folder)
        self.outcome.needed += self._per_round
        self._say(f"  {found.line()}")
        self._say(f"  so far: {self.outcome.line()}")


def _wait(true: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + PATIENCE
    while not true():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.3)
    return True


def _rows(output: Output) -> tuple[Counter[object], dict[tuple[str, str, str | None], object]]:
    """Every edit, rejected or not, and dead letter that a reader finds, and how often each."""
    counts: Counter[object] = Counter()
    rows: dict[tuple[str, str, str | None], object] = {}
    for kind in ("edits", "rejected", "dead"):
        for name in storage.names(output.fs, f"{output.root}/{kind}"):
            with output.fs.open(f"{output.root}/{kind}/{name}", "rb") as file:
                for row in pq.read_table(file).to_pylist():
                    key = (row["shard"], row["key"], row["edit"])
                    counts[key] += 1
                    why = row.get("reason") or row.get("error_kind")
                    rows[key] = (row.get("edited"), row.get("mask"), why)
    return counts, rows


def _begun(folder: Path) -> int:
    trace = folder / "trace.log"
    return sum(map(int, trace.read_text().split())) if trace.exists() else 0
