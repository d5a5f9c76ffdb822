"""Removes what killed runs left without a commit record, and superseded dead letters. Knows no
content.
"""

from __future__ import annotations

from pipeline import storage
from pipeline.sinks import layout
from pipeline.sinks.commits import Progress
from pipeline.sinks.output import Output


def sweep(output: Output, progress: Progress) -> list[str]:
    """Removes leftovers and returns their paths; only names that this package gives are touched.

    Nobody may be writing to `output` meanwhile: sweep at the end of a run, when no task of a killed
    one can be about to commit, and what was to be done again has been written over.
    """
    removed = []
    with storage.explained(output.path, "remove uncommitted parts"):
        for path in leftovers(output, progress):
            storage.remove(output.fs, f"{output.root}/{path}")
            removed.append(path)
    return removed


def leftovers(output: Output, progress: Progress) -> list[str]:
    """Paths of parts without a commit record, superseded dead letters, and temporary files."""
    found = []
    for folder in (*layout.PARTS, layout.COMMITS):
        for name in storage.names(output.fs, f"{output.root}/{folder}"):
            part = layout.parse_part(name)
            old = part and folder == "dead" and progress.superseded(part)
            if name.endswith(".tmp") or old or (part and not progress.has(part)):
                found.append(f"{folder}/{name}")
    return found
