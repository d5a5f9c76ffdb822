"""One real run of the pipeline over the hostile inputs of each source. Knows no case."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import pyarrow.parquet as pq

from pipeline.config import parse
from pipeline.engine.run import run
from tests.corpus.cases import MAX_BYTES, MAX_PIXELS, Case

Outcomes = dict[str, tuple[str, ...]]


def outcomes(cases: Sequence[Case], model: Path, folder: Path) -> Outcomes:
    """What became of each row of each case, in `folder`, with the model in `model`.

    Leaves the outputs in `folder`, in a sub-folder `<source>-out` a source.
    """
    found: Outcomes = {}
    for source in sorted({case.source for case in cases}):
        of_source = [case for case in cases if case.source == source]
        _write(of_source, folder / source)
        _run(source, model, folder)
        found |= _read(of_source, folder / f"{source}-out")
    return found


def _write(cases: Sequence[Case], folder: Path) -> None:
    for case in cases:
        for name, data in case.make().items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)


def _run(source: str, model: Path, folder: Path) -> None:
    limits = {"max_bytes": MAX_BYTES, "max_pixels": MAX_PIXELS}
    config = {
        "input": {"type": source, "path": str(folder / source), **limits},
        "output": {"path": str(folder / f"{source}-out")},
        "prompts": {"type": "recolor", "colours": ["blue"]},
        "model": {"type": "stable_diffusion", "path": str(model), "device": "cpu"},
        "mask": {"noise_maps": 1},
        "edit": {"steps": 2},
        "check": {"scores": ["background_psnr"]},
        "run": {"max_dead_share": 1.0, "cpus_per_actor": 1},
    }
    run(parse(config), local=True, verbose=False, watch=lambda _: None)


def _read(cases: Sequence[Case], out: Path) -> Outcomes:
    ends: dict[str, dict[int, str]] = defaultdict(dict)
    for file in sorted(out.glob("edits/*.parquet")):
        for row in pq.read_table(file, columns=["shard", "ordinal"]).to_pylist():
            ends[row["shard"]][row["ordinal"]] = "edited"
    for file in sorted(out.glob("dead/*.parquet")):
        columns = ["shard", "ordinal", "error_kind", "error_message"]
        for row in pq.read_table(file, columns=columns).to_pylist():
            assert row["error_message"], f"{row['shard']}: a dead letter without a message"
            ends[row["shard"]][row["ordinal"]] = row["error_kind"]
    by_name = {shard.partition(".")[0]: rows for shard, rows in ends.items()}
    return {
        case.name: tuple(kind for _, kind in sorted(by_name.get(case.name, {}).items()))
        for case in cases
    }
