"""Takes edits and dead letters out of an output for good. Knows no stage and no picture.

A chunk that holds some commits a next generation without them, in all formats; the files that held
them go with the sweep. The record keeps their ids: they stay counted (`planned == written + dead +
removed`), a resume finds the chunk done, and asked for again they are known.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from pipeline import storage
from pipeline.errors import RunError
from pipeline.sinks import layout
from pipeline.sinks.commits import (
    Commit,
    create_commit,
    load_progress,
    read_commits,
)
from pipeline.sinks.files import Files
from pipeline.sinks.lease import check_held, writing
from pipeline.sinks.output import Output
from pipeline.sinks.publish import mark, publish
from pipeline.sinks.sweep import sweep
from pipeline.sinks.without import keys, without


def remove(output: Output, ids: Collection[str]) -> tuple[int, list[str]]:
    """(rows removed now, those of `ids` that are not there nor were removed before).

    Takes the lease; ends with a sweep, so that no removed picture stays on the disk, in the report
    neither. Raises UsageError where a run is writing there.
    """
    wanted = frozenset(ids)
    known: set[str] = set()
    removed = 0
    with writing(output) as output:
        with storage.explained(output.path, "remove edits", raising=RunError):
            mark(output)
            for commit in read_commits(output):
                here = wanted & {name for name, _ in keys(output, commit)}
                if here:
                    _commit_without(output, commit, here)
                removed += len(here)
                known |= here | wanted.intersection(commit.removed_ids)
        publish(output)  # before the sweep, so that the index names no file that is gone
        sweep(output, load_progress(output))
    return removed, sorted(wanted - known)


def _commit_without(output: Output, before: Commit, ids: frozenset[str]) -> None:
    name = replace(before.name, generation=before.generation + 1)
    change = {
        **without(output, before, ids, Files(output, name)),
        "generation": name.generation,
        "removed_ids": [*before.removed_ids, *sorted(ids)],
    }
    check_held(output)
    # Its gallery may show them; `diffedit report` makes it anew.
    storage.remove(output.fs, f"{output.root}/{layout.REPORT}")
    if not create_commit(output, before.model_copy(update=change)):
        raise RunError(f"{output.path}: another writer changed a chunk; this one stops")
