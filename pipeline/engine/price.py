"""What a run costs on a GPU, by its data sheet and the model's operations. Knows no storage."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from pipeline.config import RunConfig
from pipeline.engine.estimate import Estimate
from pipeline.errors import UsageError
from pipeline.models._work import Work, work

GPUS = {
    "a10": 125,
    "a100": 312,
    "a10g": 70,
    "a40": 150,
    "b200": 2250,
    "h100": 989,
    "h100-nvl": 835,
    "h100-pcie": 756,
    "h200": 989,
    "l4": 121,
    "l40s": 362,
    "mi300x": 1307,
    "rtx4090": 165,
    "t4": 65,
    "v100": 125,
}
"""Peak TFLOP/s of matrix products in bfloat16 (T4 and V100: float16), without sparsity, by the
makers' data sheets, which for newer cards print twice as much, "with sparsity"."""
SHARE = 0.3
"""Of the peak, over the whole edit: what published pipelines reach (docs/performance.md)."""


@dataclass(frozen=True)
class Price:
    """Of all that is left to do."""

    gpu: str
    tflop: float
    hours: float  # of one GPU
    cpus: int  # beside each, so that it need not wait
    money: float | None
    actors: int
    work: Work
    counts: str

    def numbers(self) -> dict[str, Any]:
        """For machines."""
        names = ("gpu", "tflop", "hours", "cpus", "money")
        return {name: getattr(self, name) for name in names}

    def facts(self) -> list[tuple[str, str]]:
        """For a person, assumptions and all."""
        costs = [] if self.money is None else [("price", f"{self.money:,.4g}")]
        source = "the model's configs" if self.work.counted else "its family's usual size"
        one = f"{self.hours:,.3g} h of one {self.gpu}"
        each = f", {self.hours / self.actors:,.3g} h of {self.actors}" if self.actors > 1 else ""
        return [
            ("operations", f"{self.tflop:,.4g} TFLOP: {self.counts}, counted from {source}"),
            ("time", one + each),
            *costs,
            ("CPUs beside it", f"{self.cpus:,}, so that it need not wait (run.cpus_per_actor)"),
            (
                "assumed",
                f"{SHARE:.0%} of the {GPUS[self.gpu]:,} TFLOP/s of the data sheet (dense, 16 bit), "
                "which published pipelines reach and nobody measured here: --measure does; no mask "
                "empty or full; loading and start-up left out",
            ),
        ]


def price(estimate: Estimate, config: RunConfig, gpu: str, hourly: float | None) -> Price:
    """Of what is left to do, `hourly` of any currency. Raises UsageError for an unknown GPU."""
    name = gpu.lower()
    if name not in GPUS:
        raise UsageError(f"--gpu {gpu}: not known; there are: {', '.join(GPUS)}")
    one = work(config.model)
    parts = (
        (estimate.evaluations, "evaluations", one.network),
        (estimate.images, "encodings", one.encode),
        (estimate.decodes, "decodings", one.decode),
    )
    tflop = sum(count * each for count, _, each in parts)
    seconds = tflop / (SHARE * GPUS[name])
    said = " + ".join(f"{count:,} {what} × {each:.3g}" for count, what, each in parts)
    return Price(
        gpu=name,
        tflop=tflop,
        hours=seconds / 3600,
        cpus=math.ceil(estimate.codec * estimate.tries / max(seconds, 1e-9)) if seconds else 0,
        money=None if hourly is None else hourly * seconds / 3600,
        actors=config.run.actors[1],
        work=one,
        counts=f"{said} at {one.side} × {one.side}",
    )
