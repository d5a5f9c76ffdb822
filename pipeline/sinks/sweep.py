"""Removes what killed runs left without a commit record. Knows no content."""

from __future__ import annotations

from pipeline import storage
from pipeline.sinks import layout
from pipeline.sinks.commits import Progress
from pipeline.sinks.output import Output


def sweep(output: Output, progress: Progress) -> list[str]:
    """Removes uncommitted parts and temporary files, and returns their paths.

    Only names that this package gives are touched. Nobody may be writing to `output` meanwhile.
    """
    removed = []
    with storage.explained(output.path, "remove uncommitted parts"):
        for path in leftovers(output, progress):
            storage.remove(output.fs, f"{output.root}/{path}")
            removed.append(path)
    return removed


def leftovers(output: Output, progress: Progress) -> list[str]:
    """Paths of parts without a commit record, and of temporary files."""
    found = []
    for folder in (*layout.PARTS, layout.COMMITS):
        for name in storage.names(output.fs, f"{output.root}/{folder}"):
            part = layout.parse_part(name)
            if name.endswith(".tmp") or (part and not progress.has(*part)):
                found.append(f"{folder}/{name}")
    return found
