"""A whole run on Ray against the bare engine on the same chunks. Knows no Ray from inside.

The bare engine is the time inside `diffedit` while nothing else runs: the same chunks in a
for-loop, before the run on Ray and after it, so that a machine that changes its speed changes both.
Start-up is left out: the run on Ray is timed from its first commit to its last, and the first
chunk is left out of both sides.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from jobs.benchmark.runs import Committed, committed, go
from pipeline.config import RunConfig
from pipeline.config_file import parse
from pipeline.demo.make_data import make_data


def measure(images: int, chunk_rows: int, model: str, steps: int) -> dict[str, Any]:
    """The table: images a second of both, and their ratio. Both use one thread for the model."""
    with tempfile.TemporaryDirectory(prefix="diffedit-") as name:
        folder = Path(name)
        make_data(folder / "in", images, "webdataset", rows_per_shard=2 * chunk_rows)
        configs = [_config(folder, out, chunk_rows, model, steps) for out in ("a", "ray", "b")]
        before, tally, after = (go(c, local=i != 1) for i, c in enumerate(configs))
        made = committed(folder / "ray")
        loops = [committed(folder / out) for out in ("a", "b")]
    assert before.written == tally.written == after.written
    first, rest = made[0], made[1:]
    seconds = made[-1].at - first.at
    rows = sum(one.commit.rows for one in rest)
    engines = [_model_seconds(loop, first) for loop in loops]
    engine = sum(engines) / 2
    table = [
        _row("bare engine, before", rows, engines[0]),
        _row("whole run on Ray", rows, seconds),
        _row("bare engine, after", rows, engines[1]),
    ]
    return {
        "rows": table,
        "ratio": engine / seconds,
        "model idle in the run": tally.idle_share,
        "edits": tally.written,
        "images a chunk": chunk_rows,
        "threads of the model": 1,
    }


def _config(folder: Path, output: str, chunk_rows: int, model: str, steps: int) -> RunConfig:
    return parse(
        {
            "input": {"type": "webdataset", "path": str(folder / "in")},
            "output": {"path": str(folder / output)},
            "prompts": {"type": "recolor", "colours": ["red", "blue"]},
            "model": {"type": "stable_diffusion", "path": model},
            "edit": {"steps": steps, "paste_back": "recolor"},
            "run": {"chunk_rows": chunk_rows, "cpus_per_actor": 1},
        }
    )


def _model_seconds(loop: list[Committed], first: Committed) -> float:
    """Of every chunk but the one that the run on Ray committed first."""
    out = (first.commit.shard, first.commit.chunk)
    commits = [one.commit for one in loop]
    return sum(c.model_seconds for c in commits if (c.shard, c.chunk) != out)


def _row(what: str, images: int, seconds: float) -> dict[str, Any]:
    return {"what": what, "images": images, "s": seconds, "images/s": images / seconds}
