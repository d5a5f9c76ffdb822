"""Counts of a run: for the progress bar, the summary and the dead-share stop. Knows no stage.

Nothing depends on a tally for correctness: commit records alone say what is done.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest

from pipeline.engine.caps import Caps
from pipeline.errors import TooManyDead
from pipeline.rows import SPENT, Chunk, PassedOver
from pipeline.sinks.commits import Commit, idle_share
from pipeline.sinks.ledger import Entry, Foretold

EARLY = 200
"""Planned edits before the dead share may stop a run: a few bad rows at the start are no trend."""


@dataclass
class Tally:
    """Sums of commits; `planned == written + rejected + dead + removed` holds after each."""

    max_dead_share: float
    expected_rows: int = 0  # about how many images there are to do
    chunks: int = 0
    rows: int = 0
    planned: int = 0
    written: int = 0
    rejected: int = 0
    dead: int = 0
    removed: int = 0
    passed: int = 0
    model_seconds: float = 0.0  # of all models, at work
    idle_seconds: float = 0.0  # of all models, waiting for their next chunk
    codec_seconds: float = 0.0  # CPU of all threads
    bytes_read: int = 0  # of pictures and masks, as they are encoded
    bytes: int = 0  # written
    evaluations: int = 0  # rows through the models' networks
    areas: list[int] = field(default_factory=list)  # of masks, see `meters.areas`
    reasons: dict[str, int] = field(default_factory=dict)
    rejected_by: dict[str, int] = field(default_factory=dict)  # bound → edits
    passed_over: PassedOver = field(default_factory=PassedOver)  # files
    in_force: str = ""  # bounds other than the config's, where a recheck decided on them
    gone: int = 0  # listed by an earlier run, and not there any more
    caps: Caps = field(default_factory=Caps)
    foretold: Foretold | None = None

    def add(self, commit: Commit, areas: Sequence[int] = ()) -> Tally:
        """Adds one commit, and its masks where they are counted, and returns the sums."""
        self.chunks += 1
        self.rows += commit.rows
        self.planned += commit.planned
        self.written += commit.written
        self.rejected += commit.rejected
        self.dead += commit.dead
        self.removed += commit.removed
        self.passed += commit.passed
        for name in SPENT:
            setattr(self, name, getattr(self, name) + getattr(commit, name))
        self.areas = [a + b for a, b in zip_longest(self.areas, areas, fillvalue=0)]
        self.bytes += sum(file.bytes for file in commit.files)
        self.passed_over.merge(commit.passed_over)
        for reason, count in commit.dead_by_kind.items():
            self.reasons[reason] = self.reasons.get(reason, 0) + count
        for bound, count in commit.rejected_by.items():
            self.rejected_by[bound] = self.rejected_by.get(bound, 0) + count
        self.caps.done(commit)
        return self

    def lets(self, chunk: Chunk, edits: int = 0) -> bool:
        """As `Caps.lets`."""
        return self.caps.lets(chunk, edits)

    @property
    def stopped(self) -> str:
        """The key of the cap that ended the run; "" where none did."""
        return self.caps.reached

    @property
    def idle_share(self) -> float | None:
        """Share of their time that the models waited, 0..1; None before they worked."""
        return idle_share(self.model_seconds, self.idle_seconds)

    def snapshot(self) -> Tally:
        """The sums so far."""
        return self

    def check(self, earlier: Iterable[Entry] | None = None) -> None:
        """Raises TooManyDead above the allowed share, from `EARLY` planned edits on.

        With `earlier` runs (the newest first) it is the last word: where this run planned fewer,
        they are counted with it until there are so many, or no more runs.
        """
        planned, dead, before = self.planned, self.dead, 0
        if (planned < EARLY and earlier is None) or not self._too_many(dead, planned):
            return
        for run in earlier or ():
            if planned >= EARLY:
                break
            planned, dead = planned + run.planned, dead + run.dead
            before += bool(run.planned)
        if self._too_many(dead, planned):
            of = f" of this run and the {before} before it" if before else ""
            raise TooManyDead(
                f"{dead} of {planned} planned edits{of} are dead letters, more than "
                f"run.max_dead_share={self.max_dead_share:g} allows; {self.commonest()}"
            )

    def _too_many(self, dead: int, planned: int) -> bool:
        return dead > self.max_dead_share * planned

    def commonest(self) -> str:
        """The three commonest reasons of dead letters, for a person."""
        return "commonest: " + _most(self.reasons)

    def bounds(self) -> str:
        """The three bounds that rejected most, for a person."""
        return _most(self.rejected_by)


def _most(counts: Mapping[str, int]) -> str:
    common = sorted(counts.items(), key=lambda item: -item[1])[:3]
    return ", ".join(f"{reason} ({count})" for reason, count in common)
