"""What a dashboard sees of a run: its counts, as Ray's metrics. Knows no stage.

The driver watches the counts for the bar and the ledger; here it hands on how they moved. So no
actor and no writer has anything to tell, and a run has one set of series whatever the machines.
Where Ray has no metrics agent (it comes with `ray[default]`), they go nowhere.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from ray.util.metrics import Counter, Gauge, Histogram

from pipeline.engine.tally import Tally
from pipeline.sinks.output import Output

LABELS = ("dataset", "run")
"""As many values as there are outputs: both stay the same from night to night."""

COUNTERS = (
    ("diffedit_images", "rows", "Source images whose chunk is committed."),
    ("diffedit_edits", "written", "Edits written."),
    ("diffedit_rejected", "rejected", "Edits that a bound of check.keep rejected."),
    ("diffedit_passed", "passed", "Source images that nothing was planned for."),
    ("diffedit_chunks", "chunks", "Chunks committed."),
    ("diffedit_evaluations", "evaluations", "Rows through the models' networks."),
    ("diffedit_model_busy_seconds", "model_seconds", "Of all models, at work."),
    ("diffedit_model_waiting_seconds", "idle_seconds", "Of all models, waiting for a chunk."),
    ("diffedit_codec_seconds", "codec_seconds", "CPU of decoding, pasting back and encoding."),
    ("diffedit_read_bytes", "bytes_read", "Of pictures and masks, as they are encoded."),
    ("diffedit_written_bytes", "bytes", "Of parts."),
)
"""Name, field of `Tally`, meaning. Prometheus shows them as ray_{name}_total."""

DEAD = ("diffedit_dead_letters", "Dead letters, by stage/kind.")
ENDS = ("diffedit_runs", "Runs that ended, by outcome.")
GAUGES = (
    ("diffedit_running", "1 while a run is at work."),
    ("diffedit_images_left", "About how many images are left to do."),
    ("diffedit_seconds_since_commit", "Since the last chunk was committed, or the run began."),
)
MASK_AREA = ("diffedit_mask_area", "Share of the picture that an edit's mask covers.")
AREAS = (0.001, 0.01, 0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 0.95)
"""Upper bounds of its buckets; Ray makes a sum of their middles, not of the areas."""

NEXT_TO_NOTHING = 5e-324
"""Ray counts no zero, and of a series that begins with a count Prometheus shows no increase."""


def areas(table: pa.Table) -> list[int]:
    """Of a result table: how many masks lie in each bucket of `AREAS`, and above them all."""
    living = table.filter(pc.is_null(table["error_kind"]))["mask_area"].drop_null()
    places = np.searchsorted(AREAS, living.to_numpy())
    return [int(count) for count in np.bincount(places, minlength=len(AREAS) + 1)]


class Meters:
    """Hands on how the counts of one run moved since it was last called; a `Watch`."""

    def __init__(self, output: Output, clock: Callable[[], float] = time.monotonic) -> None:
        self._labels = labels(output)
        self._clock = clock
        self._since = clock()
        self._seen = Tally(1)
        self._counters = [(Counter(name, told, LABELS), of) for name, of, told in COUNTERS]
        self._dead = Counter(*DEAD, (*LABELS, "kind"))
        self._areas = Histogram(*MASK_AREA, list(AREAS), LABELS)
        self._running, self._left, self._waited = (Gauge(*one, LABELS) for one in GAUGES)
        for counter, _ in self._counters:
            counter.inc(NEXT_TO_NOTHING, self._labels)
        self._running.set(1, self._labels)

    def __call__(self, tally: Tally) -> None:
        before, self._seen = self._seen, tally
        for counter, of in self._counters:
            self._count(counter, getattr(tally, of) - getattr(before, of))
        for kind, count in tally.reasons.items():
            self._count(self._dead, count - before.reasons.get(kind, 0), kind=kind)
        self._observe(tally.areas, before.areas)
        if tally.chunks > before.chunks:
            self._since = self._clock()
        self._left.set(max(0, tally.expected_rows - tally.rows), self._labels)
        self._waited.set(self._clock() - self._since, self._labels)

    def end(self) -> None:
        """The run is not at work any more; a Ray that goes on would show the last values."""
        for gauge in (self._running, self._left, self._waited):
            gauge.set(0, self._labels)

    def _count(self, counter: Any, more: float, **kind: str) -> None:
        if more > 0:
            counter.inc(more, {**self._labels, **kind})

    def _observe(self, now: Sequence[int], before: Sequence[int]) -> None:
        middles = np.convolve((0, *AREAS, 1), (0.5, 0.5), "valid")
        for middle, count, old in zip(middles, now, before or [0] * len(now), strict=bool(now)):
            for _ in range(count - old):
                self._areas.observe(float(middle), self._labels)


@contextmanager
def measured(output: Output) -> Iterator[Meters]:
    """The meters of a run that is at work in the block."""
    meters = Meters(output)
    try:
        yield meters
    finally:
        meters.end()


def labels(output: Output) -> dict[str, str]:
    """Of the series of an output: where it is, and the run id that is in its files' names."""
    # What a command line says need not be text.
    path = os.fsencode(output.path).decode(errors="backslashreplace")
    return {"dataset": path, "run": output.run}


def ended(output: Output, outcome: str) -> None:
    """Counts a run that ended so (see `ledger.Entry`)."""
    Counter(*ENDS, (*LABELS, "outcome")).inc(1, {**labels(output), "outcome": outcome})
