"""The same kills on Ray Data's own checkpointing, for the comparison in the docs.

    python -m tests.chaos.peer --kills 6

One round with one row a source row, one with six (an image with six edits), as the kills allow.
"""

from __future__ import annotations

import os
import random
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Annotated

import pyarrow as pa
import pyarrow.parquet as pq
import typer

from tests.chaos.victim import PARTS, Victim

JOB = str(Path(__file__).with_name("ray_checkpoint_job.py"))
FILES, ROWS = 60, 4


def main(kills: Annotated[int, typer.Option(min=1)] = 6, seed: int = 0) -> None:
    """Print what was lost and doubled, with one and with six edits a row."""
    rng = random.Random(seed)
    for edits in (1, 6):
        with tempfile.TemporaryDirectory(prefix="peer-") as folder:
            print(
                f"{edits} edits a row: {_round(Path(folder), edits, kills // 2, rng)}", flush=True
            )


def _round(folder: Path, edits: int, kills: int, rng: random.Random) -> str:
    source, output = folder / "input", folder / "output"
    source.mkdir()
    output.mkdir()
    for number in range(FILES):
        ids = [f"{number:02d}-{row}" for row in range(ROWS)]
        pq.write_table(pa.table({"id": ids}), source / f"{number:02d}.parquet")
    struck: Counter[str] = Counter()
    command = [sys.executable, JOB, str(source), str(output), str(folder / "state"), str(edits)]
    attempts = 0
    while True:
        attempts += 1
        victim = Victim(command, folder / "log", {"RAY_USAGE_STATS_ENABLED": "0"})
        while victim.result() is None:
            if struck.total() < kills and _strike(
                victim, output, PARTS[struck.total() % len(PARTS)], rng
            ):
                struck[PARTS[struck.total() % len(PARTS)]] += 1
            time.sleep(0.3)
        if victim.result() == 0:
            break
        assert attempts < kills + 4, victim.tail()
    rows = Counter((r["id"], r["edit"]) for f in output.glob("*.parquet") for r in _read(f))
    planned = FILES * ROWS * edits
    return (
        f"kills {dict(struck)}, planned {planned}, written {rows.total()}, "
        f"lost {planned - len(rows)}, duplicated {rows.total() - len(rows)}"
    )


def _strike(victim: Victim, output: Path, part: str, rng: random.Random) -> bool:
    wanted = len(os.listdir(output)) + rng.randint(1, 3)  # noqa: PTH208
    while victim.result() is None and len(os.listdir(output)) < wanted:  # noqa: PTH208
        time.sleep(0.1)
    time.sleep(rng.uniform(0, 1.5))
    # A task that writes lives for moments only.
    while victim.result() is None:
        if victim.kill(part):
            return True
        time.sleep(0.02)
    return False


def _read(file: Path) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = pq.read_table(file).to_pylist()
    return rows


if __name__ == "__main__":
    typer.run(main)
