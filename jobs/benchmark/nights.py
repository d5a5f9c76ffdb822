"""What it costs to know a large folder again: the frozen lists' size, and the time to load them.

The names of the pictures are made up and go through the code that a run uses; looking at the
folders themselves is not in the figures.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pyarrow as pa

from jobs.benchmark.resume import resident
from pipeline.sinks.lists import ADDED, SCHEMA, Found, Head, Lists, encode


def measure(pictures: int, folders: int) -> dict[str, Any]:
    """The figures of `simulate` as a table."""
    figures = simulate(pictures, folders)
    return {"rows": [{"figure": name, "value": value} for name, value in figures.items()]}


def simulate(pictures: int, folders: int) -> dict[str, float]:
    """Figures of a first list that has `pictures` in so many `folders`."""
    rng, each = np.random.default_rng(0), -(-pictures // folders)
    data = encode(_found(rng, number, each) for number in range(folders))
    before, started = resident(), time.perf_counter()
    lists = Lists([data])
    loaded = time.perf_counter()
    held = resident()
    for path in lists.heads:
        known = lists.known(path)
        assert (known.places(known.names[::-1]) == np.arange(each)[::-1]).all()
    return {
        "list_mib": round(len(data) / 2**20, 1),
        "bytes_a_picture": round(len(data) / pictures, 1),
        "load_seconds": round(loaded - started, 2),
        "beside_the_list_mib": round((held - before) / 2**20, 1),
        "look_up_every_picture_seconds": round(time.perf_counter() - loaded, 2),
        "resident_after_mib": round((resident() - before) / 2**20, 1),
    }


def _found(rng: np.random.Generator, number: int, each: int) -> Found:
    columns = {
        "name": rng.integers(0, 2**64, each, np.uint64),
        "stamp": rng.integers(2, 2**32, each, np.uint32),
        "chunk": np.arange(each, dtype=np.int32) // 32,
        "kind": np.full(each, ADDED, np.uint8),
    }
    head = Head(f"part/{number:06d}", "0a1b2c3d", each, -(-each // 32))
    return Found(head, pa.RecordBatch.from_pydict(columns, schema=SCHEMA))
