"""Judging networks and a benchmark in one call."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

QUICK = {
    "mask": {"noise_maps": 2, "threshold": 0.35},
    "edit": {"steps": 4},
    "run": {"chunk_rows": 4, "cpus_per_actor": 1, "max_dead_share": 0.9},
}


@pytest.fixture(scope="session")
def judges(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Role → folder of small random weights."""
    from tests.evaluation.weights import make_all

    return make_all(tmp_path_factory.mktemp("judges"))


@pytest.fixture
def bench(tiny_model: Path, judges: dict[str, str], tmp_path: Path) -> Callable[..., Any]:
    """`bench(protocol, data)`: its metrics.json, from a run in this process."""
    import json

    from pipeline.engine.run import run
    from pipeline.evaluation._evaluate import Job, evaluate
    from pipeline.evaluation._protocol import protocol
    from pipeline.evaluation._record import Place

    def measured(name: str, data: Path | None, *, local: bool = True, **more: Any) -> Any:
        output = more.pop("output", tmp_path / "out")
        weights = {r: p for r, p in judges.items() if r in protocol(name).networks}
        settings = {**QUICK, "model": {"type": "stable_diffusion", "path": str(tiny_model)}}
        place = Place(data, more.pop("side", 64))
        weights |= more.pop("weights", {})
        job = Job(name, output, place, settings, weights=weights, **more)
        evaluate(job, lambda c: run(c, local=local, verbose=False, watch=lambda _: None))
        return json.loads((output / "metrics.json").read_text())

    return measured
