"""Grows, changes and shrinks a folder and kills runs over it by turns; counts what came of it.

A night is a change of the folder and runs until one ends well, each but the last killed at a random
moment, with another change of the folder between them now and then. After each night the output
must hold exactly the edits of what is in the folder (`run.changed: again`, `run.gone: drop`), and
at the end every picture must be the one that an undisturbed run of the last folder makes.
"""

from __future__ import annotations

import os
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import yaml

from pipeline.sinks.commits import commit_names, read_commits
from pipeline.sinks.output import Output, existing_output
from pipeline.sinks.verify import verify
from pipeline.storage import Storage, connect
from tests.chaos import campaign
from tests.chaos.victim import COMMAND, Victim
from tests.datasets import photo, settings
from tests.fault_proxy import FaultProxy
from tests.tiny import make_folder

TRACE = Path(__file__).parent / "trace"
TARGETS = 2
FIRST = 12
FAULTY_SHARE = 0.1


@dataclass
class Outcome(campaign.Outcome):
    """Sums over the nights."""

    nights: int = 0
    changes: Counter[str] = field(default_factory=Counter)

    def line(self) -> str:
        return (
            f"{self.nights} nights, {self.kills.total()} kills, changes {dict(self.changes)}: "
            f"lost {self.lost}, duplicated {self.duplicated}, different {self.different}"
        )


class Nights:
    """One folder and its output, on a local disk, or on a real S3 server that fails at times."""

    def __init__(
        self, folder: Path, seed: int, endpoint: str | None, say: Callable[[str], None]
    ) -> None:
        self._folder, self._say, self._endpoint = folder, say, endpoint
        self._random = random.Random(seed)
        self._model = make_folder(folder / "model")
        self._place = f"s3://tests/nights-{os.getpid()}" if endpoint else str(folder)
        self._there: dict[str, int] = {}  # key → seed of its picture
        self._seeds = iter(range(1, 1 << 30))
        self.outcome = Outcome()

    def run(self, kills: int) -> Outcome:
        """Nights until so many kills are done."""
        for number in range(FIRST):
            self._put(f"{number:03d}.png")
        with self._faults() as storage:
            while self.outcome.kills.total() < kills:
                self._night(storage, min(3, kills - self.outcome.kills.total()))
        self._compare()
        return self.outcome

    @contextmanager
    def _faults(self) -> Iterator[Storage]:
        if self._endpoint is None:
            yield Storage()
            return
        with FaultProxy(self._endpoint, FAULTY_SHARE, 0).running() as proxy:
            yield Storage(endpoint_url=proxy.endpoint_url)

    def _night(self, storage: Storage, kills: int) -> None:
        kills = self._random.randint(1, kills)
        while True:
            victim = self._start(storage, "out")
            if kills and self._struck(victim):
                kills -= 1
                if self._random.random() < 0.5:
                    self._change()
                continue
            _ended(victim)
            if victim.result() == 0:
                break
            # Where the storage failed in spite of retries, the same command goes on.
            self._say(f"  ended with {victim.result()}: {victim.tail().strip()[-200:]}")
            if not victim.died_plainly() or not storage.endpoint_url:
                self.outcome.problems.append(f"ended with {victim.tail()}")
                break
        self.outcome.nights += 1
        self._judge()
        self._say(f"night {self.outcome.nights}: {self.outcome.line()}")
        for _ in range(self._random.randint(1, 3)):
            self._change()

    def _start(self, storage: Storage, out: str) -> Victim:
        place = {"storage": storage.model_dump()}
        config: Any = settings(
            f"{self._place}/in",
            f"{self._place}/{out}",
            self._model,
            input={"type": "folder", **place},
            output=place,
            edit={"steps": 8},
            run={"chunk_rows": 3, "max_dead_share": 1, "changed": "again", "gone": "drop"},
        )
        file = self._folder / f"{out}.yaml"
        file.write_text(yaml.safe_dump(config.model_dump(mode="json")))
        paths = [str(TRACE), str(Path.cwd()), os.environ.get("PYTHONPATH", "")]
        environment = {"CHAOS_TTL": "8", "PYTHONPATH": os.pathsep.join(paths)}
        log = self._folder / f"run-{len(list(self._folder.glob('run-*.log')))}.log"
        return Victim([*COMMAND, str(file), "--local"], log, environment)

    def _struck(self, victim: Victim) -> bool:
        """Kills the run at a random moment; False where it ended before."""
        wanted = self._commits() + self._random.choice((0, 0, 1, 1, 2, 3))
        starting = self._random.random() < 0.4
        until = time.monotonic() + self._random.uniform(2, 8)
        _wait(
            lambda: (
                victim.result() is not None
                or (time.monotonic() > until if starting else self._commits() >= wanted)
            )
        )
        time.sleep(self._random.uniform(0, 0.3))
        if victim.result() is not None:
            return False
        victim.kill("driver")
        self.outcome.kills["driver"] += 1
        return True

    def _commits(self) -> int:
        output = Output(f"{self._place}/out", self._storage(), {}, "", {}, "")
        return sum(1 for _ in commit_names(output))

    def _storage(self) -> Storage:
        return Storage(endpoint_url=self._endpoint)

    def _change(self) -> None:
        kind = self._random.choice(["add", "add", "replace", "remove", "rename", "touch"])
        key = self._random.choice(sorted(self._there))
        if kind == "add":
            self._put(f"{self._random.randrange(1000):03d}-{next(self._seeds)}.png")
        elif kind == "replace":
            self._put(key)
        elif kind == "touch":
            self._put(key, self._there[key])
        elif len(self._there) > 1:
            seed = self._there.pop(key)
            fs, root = connect(f"{self._place}/in", self._storage())
            for name in (key, key.replace(".png", ".txt")):
                fs.rm_file(f"{root}/{name}")
            if kind == "rename":
                self._put(f"new-{next(self._seeds)}.png", seed)
        self.outcome.changes[kind] += 1

    def _put(self, key: str, seed: int | None = None) -> None:
        self._there[key] = next(self._seeds) if seed is None else seed
        fs, root = connect(f"{self._place}/in", self._storage())
        fs.makedirs(root, exist_ok=True)
        fs.pipe_file(f"{root}/{key}", photo(self._there[key]))
        fs.pipe_file(f"{root}/{key.replace('.png', '.txt')}", b"a green mug")

    def _judge(self) -> None:
        output = existing_output(f"{self._place}/out", self._endpoint)
        found = verify(output)
        counts = Counter(key for key, _, _ in _edits(output))
        self.outcome.problems += found.problems + found.warnings
        self.outcome.lost += sum(counts[key] < TARGETS for key in self._there)
        self.outcome.duplicated += sum(n > TARGETS for n in counts.values())
        self.outcome.duplicated += len(
            counts.keys() - self._there.keys()
        )  # what went is still there

    def _compare(self) -> None:
        """With an undisturbed run of the folder as it is; of one night more, with nothing to do."""
        for out in ("out", "reference"):
            victim = self._start(self._storage(), out)
            _ended(victim)
            if victim.result() != 0:
                self.outcome.problems.append(f"{out} ended with {victim.tail()}")
        self._judge()
        places = (f"{self._place}/{out}" for out in ("out", "reference"))
        made, wanted = (
            {
                (key, edit): picture
                for key, edit, picture in _edits(existing_output(p, self._endpoint))
            }
            for p in places
        )
        self.outcome.lost += len(wanted.keys() - made.keys())
        self.outcome.different += sum(made[name] != wanted.get(name) for name in made)


def _edits(output: Output) -> Iterator[tuple[str, str, bytes]]:
    for commit in read_commits(output):
        for part in commit.files_of("edits"):
            with output.fs.open(f"{output.root}/{part.path}", "rb") as file:
                for row in pq.read_table(file, columns=["key", "edit", "edited"]).to_pylist():
                    yield row["key"], row["edit"], row["edited"]["bytes"]


def _ended(victim: Victim) -> None:
    _wait(lambda: victim.result() is not None)


def _wait(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 300
    while not true():
        assert time.monotonic() < deadline, "the run hangs"
        time.sleep(0.05)
