"""Removes files of killed attempts and of superseded records. Knows no content.

Nothing is removed because it was not seen. A file is a leftover only where the chunk's record,
asked for by its name, is there and does not name it: records are never written over, so such a file
can never count again. What has no record may still get one, from a writer that only stands still.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain, groupby

from pipeline import storage
from pipeline.errors import RunError
from pipeline.sinks import attempts, layout
from pipeline.sinks.commits import Progress, newest
from pipeline.sinks.layout import ChunkName, PartName
from pipeline.sinks.output import Output

Found = tuple[PartName, str]
"""A part's name, read, and its path below the output folder."""


def sweep(output: Output, progress: Progress) -> list[str]:
    """Removes leftovers and returns their paths; only names that this package gives are touched."""
    removed = []
    with storage.explained(output.path, "remove leftovers", raising=RunError):
        for path in leftovers(output, progress):
            storage.remove(output.fs, f"{output.root}/{path}")
            removed.append(path)
    return removed


def untidy(output: Output, progress: Progress) -> bool:
    """Whether there is something to remove."""
    with storage.explained(output.path, "look for leftovers", raising=RunError):
        found = chain(leftovers(output, progress), attempts.left(output))
        return next(found, None) is not None


def leftovers(output: Output, progress: Progress) -> Iterator[str]:
    """Paths of files that no record names nor ever will."""
    for kind in layout.PARTS:
        for place, found in groupby(parts(output, kind), key=lambda part: _place(part[0])):
            files = list(found)
            if _doubtful(files, progress):
                yield from _unnamed(output, place, files)


def orphans(output: Output, progress: Progress) -> Iterator[str]:
    """Paths of files of chunks that have no record: a run is at work on them, or was killed."""
    for kind in layout.PARTS:
        for place, found in groupby(parts(output, kind), key=lambda part: _place(part[0])):
            if not progress.knows(place) and newest(output, place) is None:
                yield from (path for _, path in found)


def parts(output: Output, kind: str) -> Iterator[Found]:
    """Of one kind, those of a chunk together, half-written ones too."""
    names = storage.names(output.fs, f"{output.root}/{kind}")
    whole = [(storage.whole_name(name), name) for name in names]
    for name, path in sorted(whole):
        part = layout.parse_part(name)
        if part:
            yield part, f"{kind}/{path}"


def _place(part: ChunkName) -> ChunkName:
    return ChunkName(part.shard_id, part.chunk)


def _doubtful(files: Iterable[Found], progress: Progress) -> bool:
    """Whether the record must be asked; a lone file of a chunk never replayed is its record's."""
    (part, path), *more = files
    replayed = progress.latest(part.shard_id, part.chunk).generation > 0
    return bool(more) or replayed or path.endswith(storage.TEMPORARY)


def _unnamed(output: Output, place: ChunkName, files: Iterable[Found]) -> Iterator[str]:
    try:
        record = newest(output, place)
    except RunError:
        return  # a damaged record: `verify` tells it, and nothing is removed on its word
    if record is None:
        return
    named = {file.path for file in record.files}
    # A part of a later generation may be about to be committed.
    yield from (
        path for part, path in files if part.generation <= record.generation and path not in named
    )
