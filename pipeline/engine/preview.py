"""A few images edited in this process and laid side by side. Writes nothing, starts no Ray."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from PIL.Image import Image
from pyroaring import BitMap

from pipeline.config import RunConfig
from pipeline.engine.local import results
from pipeline.report.contact_sheet import contact_sheet
from pipeline.section import build
from pipeline.sources._shard import Source

Row = dict[str, Any]


def preview(config: RunConfig, number: int) -> Image:
    """Contact sheet of the first edit of each of the first `number` images."""
    source: Source = build(config.input)
    few = config.run.model_copy(update={"chunk_rows": number, "limit": number})
    config = config.model_copy(update={"run": few})
    rows = (
        row
        for table in results(config, [(shard, BitMap()) for shard in source.listing().shards])
        for row in table.to_pylist()
    )
    return contact_sheet(list(islice(_first_edits(rows), number)))


def _first_edits(rows: Iterable[Row]) -> Iterator[Row]:
    seen: set[tuple[str, str]] = set()
    for row in rows:
        name = (row["shard"], row["key"])
        if name not in seen:
            seen.add(name)
            yield row
