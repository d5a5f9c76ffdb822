"""Best of k on Ray: the rows of a local run, and a recheck that moves the same edits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from pipeline.checks import Bound
from pipeline.sinks.output import existing_output
from pipeline.sinks.recheck import Moved, recheck
from pipeline.sinks.verify import verify
from tests.datasets import catalogue, settings

Rows = dict[tuple[str, str, str], dict[str, Any]]
VARIANTS = {
    "tries": 3,
    "keep": 2,
    "by": "edit_change",
    "encoding_ratio": {"min": 0.5, "max": 1},
    "mask_threshold": [0.3, 0.35],
}


def rows(out: Path) -> Rows:
    """Every column of every edit, rejected edit and dead letter, and in which folder it is."""
    return {
        (row["shard"], row["key"], row["edit"]): {"is": kind, **row}
        for kind in ("edits", "rejected", "dead")
        for file in out.glob(f"{kind}/*.parquet")
        for row in pq.read_table(file).to_pylist()
    }


def ended(found: Rows) -> tuple[int, ...]:
    """Counts of edits, rejected ones and dead letters."""
    return tuple(
        sum(row["is"] == kind for row in found.values()) for kind in ("edits", "rejected", "dead")
    )


def moved(out: Path, least: float) -> tuple[Moved, Rows]:
    """What a recheck did, after which the output is sound, and its rows."""
    done = recheck(existing_output(str(out)), {"edit_change": Bound(min=least)})
    found = verify(existing_output(str(out)))
    assert (found.problems, found.warnings) == ([], [])
    return done, rows(out)


def test_ray_and_local_keep_the_same_tries_and_recheck_moves_the_same_edits(
    ray_here: None, tiny_model: Path, tmp_path: Path, edit: Any
) -> None:
    source = catalogue(tmp_path / "in")
    here, there = (
        settings(
            source,
            tmp_path / name,
            tiny_model,
            edit={"steps": 4, "variants": VARIANTS},
            check={"keep": {"edit_change": {"min": 26}}},
        )
        for name in ("local", "ray")
    )
    local, ray = Path(here.output.path), Path(there.output.path)
    edit(here)
    tally = edit(there, local=False)
    found = rows(ray)
    assert found == rows(local)
    written, rejected, dead = ended(found)
    assert tally.planned == written + rejected + dead == len(found)
    assert (tally.written, tally.rejected, tally.dead) == (written, rejected, dead)
    assert written > rejected > 0 < dead
    for (_, _, name), row in found.items():
        if row["is"] != "dead":
            assert row["tries"] == 3 and row["rank"] == (2 if name.endswith("~2") else 1)
    assert len({row["variant"] for row in found.values() if row["is"] != "dead"}) == 3

    done, stricter = moved(ray, 30)
    assert (done, stricter) == moved(local, 30)
    assert done.to_rejected > 0 == done.to_written
    assert ended(stricter) == (written - done.to_rejected, rejected + done.to_rejected, dead)
    assert {name: row["edited"] for name, row in stricter.items() if row["is"] != "dead"} == {
        name: row["edited"] for name, row in found.items() if row["is"] != "dead"
    }
    assert edit(there, local=False).chunks == 0 and rows(ray) == stricter
    assert moved(ray, 26)[1] == moved(local, 26)[1]
    assert ended(rows(ray)) == (written, rejected, dead)
