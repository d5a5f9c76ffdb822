"""More actors whose device is a nap: what is lost is the engine's own overhead. Knows no stage.

All actors start together, once each has loaded, and the clock stops at the last commit: the first
chunk's way in and the last one's way out count.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jobs.benchmark.runs import committed, drawn, go, shards, stand_in
from jobs.benchmark.standin import Config as StandIn
from pipeline.config import RunConfig
from pipeline.engine.cluster import connected

SIDE = 64


def measure(
    actors: Sequence[int], seconds: float, chunk_rows: int, chunks: int, shard_chunks: int = 5
) -> dict[str, Any]:
    """The table: images a second at each number of actors, `chunks` chunks for each actor."""
    with tempfile.TemporaryDirectory(prefix="diffedit-") as name:
        folder, pictures = Path(name), drawn(8, SIDE)
        configs = []
        for number in actors:
            rows, per_shard = number * chunks * chunk_rows, shard_chunks * chunk_rows
            source = shards(folder / f"in-{number}", pictures, rows, per_shard)
            configs.append(_config(folder, source, number, seconds, chunk_rows))
        with connected(configs[0], verbose=False):
            table = [_row(config, seconds) for config in configs]
    return {
        "rows": table,
        "ratio": table[-1]["share of ideal"] / table[0]["share of ideal"],
        "nap, s an image": seconds,
        "images a chunk": chunk_rows,
        "chunks an actor": chunks,
    }


def _config(folder: Path, source: Path, actors: int, seconds: float, chunk_rows: int) -> RunConfig:
    meet = folder / f"meet-{actors}"
    meet.mkdir()
    # Naps need no CPU: more actors than cores may be at it.
    run = {"actors": actors, "cpus_per_actor": 0, "gpus_per_actor": 0, "chunk_rows": chunk_rows}
    model = StandIn(seconds=seconds, meet=str(meet), actors=actors)
    return stand_in(source, folder / f"out-{actors}", model, run=run)


def _row(config: RunConfig, seconds: float) -> dict[str, Any]:
    tally = go(config)
    begun = max(file.stat().st_mtime for file in Path(config.model.meet).iterdir())
    passed = committed(Path(config.output.path))[-1].at - begun
    actors = config.run.actors[0]
    return {
        "actors": actors,
        "images": tally.rows,
        "s": passed,
        "images/s": tally.rows / passed,
        "share of ideal": tally.rows * seconds / actors / passed,
        "model idle": tally.idle_share,
    }
