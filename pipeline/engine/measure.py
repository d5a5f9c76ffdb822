"""How fast this machine edits a few images of the real input. Writes nothing, starts no Ray."""

from __future__ import annotations

import time
from dataclasses import dataclass
from itertools import chain
from typing import Any

import pyarrow as pa
import torch
from pyroaring import BitMap

from pipeline.config import RunConfig
from pipeline.engine.codec import stored
from pipeline.engine.estimate import Estimate
from pipeline.engine.todo import read
from pipeline.errors import UsageError
from pipeline.rows import Spent
from pipeline.section import build
from pipeline.sources._shard import Source
from pipeline.stages import Check, Edit, Plan

SECONDS = 60.0
"""About how long it takes, where one image takes less."""


@dataclass(frozen=True)
class Measured:
    """Of so many images and edits, on this machine."""

    device: str
    images: int
    edits: int
    evaluations: int
    model_seconds: float
    codec_seconds: float  # waited for all that is not the model, with so many threads as a run has
    bytes: float  # an edit, written

    @property
    def rate(self) -> float:
        """Evaluations a second; 0 where nothing needed one."""
        return self.evaluations / self.model_seconds if self.model_seconds else 0.0

    def numbers(self) -> dict[str, Any]:
        """For machines."""
        return {**vars(self), "evaluations_a_second": self.rate}

    def facts(self, estimate: Estimate, hourly: float | None) -> list[tuple[str, str]]:
        """For a person, with what all that is left to do would take here."""
        each = max(1, self.edits)
        hours = estimate.evaluations / self.rate / 3600 if self.rate else 0.0
        costs = [] if hourly is None else [("price at this pace", f"{hourly * hours:,.4g}")]
        return [
            ("measured on", f"{self.device}: {self.images} images, {self.edits} edits"),
            ("pace", f"{self.rate:,.1f} evaluations/s; {self.model_seconds / each:.2f} s an edit"),
            ("beside the model", f"{self.codec_seconds / each:.2f} s an edit"),
            ("bytes an edit", f"{self.bytes / 1024:,.1f} KiB"),
            ("time at this pace", f"{hours:,.3g} h of the model"),
            *costs,
        ]


def measure(config: RunConfig) -> Measured:
    """Edits one image, then as many of a chunk as `SECONDS` allow. Raises UsageError for none.

    The first pays for what is compiled and cached, so it counts only where it is the only one.
    """
    plan, edit, check = Plan(config), Edit(config), Check(config)
    rows = _first(config, plan)
    done = [_timed(config, rows.slice(0, 1), edit, check)]
    number = min(len(rows), int(SECONDS / max(0.001, done[0].model_seconds)))
    if number > 1:
        done.append(_timed(config, rows.slice(0, number), edit, check))
    return done[-1]


def _first(config: RunConfig, plan: Plan) -> pa.Table:
    """The planned rows with edits of the input's first chunk that has some."""
    source: Source = build(config.input)
    shards = source.listing().shards
    tables = chain.from_iterable(read(config, shard, BitMap(), source) for shard in shards)
    for table in map(plan, tables):
        rows = table.filter(pa.array([bool(edits) for edits in table["edits"].to_pylist()]))
        if len(rows):
            return rows
    raise UsageError("--measure: nothing of the input is to be edited")


def _timed(config: RunConfig, rows: pa.Table, edit: Edit, check: Check) -> Measured:
    begin = time.perf_counter()
    table = check(edit(rows))
    wall, spent = time.perf_counter() - begin, Spent.of(table)
    edits = [row for row in table.to_pylist() if row["edited"] is not None]
    sizes: dict[str, list[int]] = {}
    for row in edits:
        sizes.setdefault(row["key"], []).append(len(row["edited"]) + len(row["mask"]))
    sources = {row["key"]: len(row["image"]) for row in edits}
    total = sum(stored(config, sources[key], some) for key, some in sizes.items())
    return Measured(
        device=_device(),
        images=len(rows),
        edits=len(edits),
        evaluations=spent.evaluations,
        model_seconds=spent.model_seconds,
        codec_seconds=wall - spent.model_seconds,
        bytes=total / max(1, len(edits)),
    )


def _device() -> str:
    if torch.cuda.is_available():
        return torch.cuda.get_device_name()
    return f"this CPU ({torch.get_num_threads()} threads)"
