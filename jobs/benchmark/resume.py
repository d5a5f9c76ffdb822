"""What resuming a very large run costs: the commit state's size, the time to load and to filter.

The names of the records are made up and go through the code that resume runs on a listing; the
listing itself (one request a thousand names on S3) is not in the figures.
"""

from __future__ import annotations

import pickle
import random
import resource
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.sinks import layout
from pipeline.sinks.commits import Progress


@dataclass(frozen=True)
class Shard:
    """A shard as far as resume goes."""

    path: str
    version: str = "0a1b2c3d"


def measure(rows: int, shards: int, chunk_rows: int, committed: float) -> dict[str, Any]:
    """The figures of `simulate` as a table."""
    figures = simulate(rows, shards, chunk_rows, committed)
    return {"rows": [{"figure": name, "value": value} for name, value in figures.items()]}


def simulate(rows: int, shards: int, chunk_rows: int, committed: float) -> dict[str, float]:
    """Figures of a state in which a random `committed` share of all chunks is done."""
    chunks = -(-rows // shards // chunk_rows)
    every = [Shard(f"part/{number:06d}.tar") for number in range(shards)]
    before = resident()
    started = time.perf_counter()
    progress = Progress(map(_parsed, _names(every, chunks, committed)))
    loaded = time.perf_counter()
    records = sum(len(progress.done(shard)) for shard in every)
    filtered = time.perf_counter()
    return {
        "chunks": chunks * shards,
        "records": records,
        "load_seconds": round(loaded - started, 2),
        "state_mib": round((resident() - before) / 2**20, 1),
        "state_pickled_mib": round(len(pickle.dumps(progress)) / 2**20, 1),
        "shard_state_bytes": len(pickle.dumps(progress.done(every[0]))),
        "filter_microseconds_a_shard": round((filtered - loaded) / shards * 1e6, 1),
        "listing_requests_on_s3": -(-records // 1000),
    }


def _names(shards: list[Shard], chunks: int, committed: float) -> Iterator[str]:
    rng = random.Random(0)
    for shard in shards:
        path = layout.commit_path(layout.ChunkName(layout.shard_id(shard.path), 0))
        folder, _, rest = path.removeprefix(f"{layout.COMMITS}/").partition("/00000-")
        for chunk in range(chunks):
            if rng.random() < committed:
                yield f"{folder}/{chunk:05d}-{rest}"


def _parsed(name: str) -> layout.ChunkName:
    parsed = layout.parse_commit(name)
    assert parsed
    return parsed


def resident() -> int:
    """Bytes that this process holds in memory (Linux)."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
