"""Odd inputs end alike with Ray and without, and the end of a run tells what was passed over."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pipeline.progress import summary
from pipeline.sinks.commits import read_commits
from pipeline.sinks.output import existing_output
from tests.corpus.cases import CASES
from tests.datasets import settings

PICKED = {
    "folder": (
        "endings",
        "five",
        "nested",
        "loop",
        "dangling",
        "latin1",
        "systems",
        "table-ways-out",
    ),
    "webdataset": ("apart", "systems", "latin1", "linked", "beside", "pointer"),
    "parquet": ("two-others", "caption-lists", "date-early", "spark", "hive", "caption-bytes"),
}


def put(folder: Path, source: str) -> Path:
    """A few of the corpus's inputs of one source, in `folder`."""
    for case in CASES:
        if case.source == source and case.name.partition("-")[2] in PICKED[source]:
            for name, data in case.make().items():
                path = folder / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.symlink_to(data) if isinstance(data, str) else path.write_bytes(data)
    return folder


def ends(rows: dict[Any, dict[str, Any]]) -> dict[Any, Any]:
    return {name: (row.get("edited"), row.get("error_message")) for name, row in rows.items()}


@pytest.mark.parametrize("source", list(PICKED))
def test_the_same_verdict_with_ray_and_without(
    ray_here: None, tiny_model: Path, tmp_path: Path, source: str, edit: Any, results: Any
) -> None:
    where = {"type": source, "path": str(put(tmp_path / "in", source))}
    tallies, found = [], []
    for name, local in (("local", True), ("ray", False)):
        config = settings("", tmp_path / name, tiny_model, input=where, run={"max_dead_share": 1.0})
        tallies.append(edit(config, local=local))
        found.append(ends(results(tmp_path / name)))
    assert found[0] == found[1] and tallies[0].dead
    assert tallies[0].passed_over.endings == tallies[1].passed_over.endings
    assert tallies[0].passed_over.files > 5
    assert f"passed over: {tallies[0].passed_over.files} files" in summary(config, tallies[0])
    if source == "webdataset":
        commits = list(read_commits(existing_output(str(tmp_path / "ray"))))
        assert sum(commit.passed_over.files for commit in commits) == 5
    again = edit(config)
    assert not again.chunks and "passed over: " in summary(config, again)
