"""One real run of the pipeline over the hostile inputs of each source. Knows no case."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from pipeline.config_file import parse
from pipeline.engine.run import run
from pipeline.errors import UsageError
from pipeline.rows import PassedOver
from pipeline.section import build
from tests.corpus.cases import MAX_BYTES, MAX_PIXELS, Case

PASSED = "passed over"
Outcomes = dict[str, tuple[str, ...]]


def outcomes(cases: Sequence[Case], model: Path, folder: Path) -> Outcomes:
    """What became of each row of each case, in `folder`, with the model in `model`.

    Behind a case's rows stands `PASSED` for each of its files that was passed over.
    Leaves the outputs in `folder`, in a sub-folder `<source>-out` a source.
    """
    found: Outcomes = {}
    for source in sorted({case.source for case in cases}):
        of_source = [case for case in cases if case.source == source]
        _write(of_source, folder / source)
        _run(source, model, folder)
        ends = _read(of_source, folder / f"{source}-out")
        for case in of_source:
            _write([case], folder / "alone" / case.name)
            found[case.name] = (*ends[case.name], *_passed(case, folder / "alone" / case.name))
    return found


def _write(cases: Sequence[Case], folder: Path) -> None:
    for case in cases:
        for name, data in case.make().items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if isinstance(data, str):
                path.symlink_to(data)
            else:
                path.write_bytes(data)


def _passed(case: Case, folder: Path) -> tuple[str, ...]:
    config = parse(_config(case.source, folder, Path("model"), Path("out"))).input
    passed = PassedOver()
    try:
        listing = build(config).listing()
    except UsageError:
        return ("refused",)
    passed.merge(listing.passed)
    for shard in listing.shards:
        for member in build(config).members(shard):
            passed.merge(member.passed)
    return (PASSED,) * passed.files


def _run(source: str, model: Path, folder: Path) -> None:
    config = _config(source, folder / source, model, folder / f"{source}-out")
    run(parse(config), local=True, verbose=False, watch=lambda _: None)


def _config(source: str, path: Path, model: Path, out: Path) -> dict[str, Any]:
    limits = {"max_bytes": MAX_BYTES, "max_pixels": MAX_PIXELS}
    return {
        "input": {"type": source, "path": str(path), **limits},
        "output": {"path": str(out)},
        "prompts": {"type": "recolor", "colours": ["blue"]},
        "model": {"type": "stable_diffusion", "path": str(model), "device": "cpu"},
        "mask": {"noise_maps": 1},
        "edit": {"steps": 2},
        "check": {"scores": ["background_psnr"]},
        "run": {"max_dead_share": 1.0, "cpus_per_actor": 1},
    }


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
    by_name: dict[str, list[str]] = defaultdict(list)
    for shard, rows in sorted(ends.items()):
        by_name[re.split(r"[./]", shard)[0]] += [kind for _, kind in sorted(rows.items())]
    return {case.name: tuple(by_name[case.name]) for case in cases}
