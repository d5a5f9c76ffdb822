"""Living rows → the bytes of a WebDataset tar shard. Knows no storage and no commit.

A sample has four members: `.source.<ext>`, `.edited.<ext>`, `.mask.png` and `.json` with every
other column. The bytes depend on the rows alone (no time, no owner).
"""

from __future__ import annotations

import json
import math
import tarfile
from collections.abc import Iterator, Mapping
from io import BytesIO
from typing import Any

import pyarrow as pa

from pipeline.sinks.pictures import extension

_OWN = ("chunk", "last", "planned", "error_stage", "error_kind", "error_message")


def encode(edits: pa.Table, provenance: Mapping[str, str]) -> bytes:
    """The shard of `edits`, which is of the result schema with an `id` column before it."""
    sink = BytesIO()
    with tarfile.open(fileobj=sink, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for batch in edits.drop_columns(list(_OWN)).to_batches(max_chunksize=1):
            for name, data in _members(batch.to_pylist()[0], provenance):
                member = tarfile.TarInfo(name)
                member.size = len(data)
                tar.addfile(member, BytesIO(data))
    return sink.getvalue()


def _members(row: dict[str, Any], provenance: Mapping[str, str]) -> Iterator[tuple[str, bytes]]:
    key = row["id"]
    for name, column in (("source", "image"), ("edited", "edited"), ("mask", "mask")):
        data = row.pop(column)
        yield f"{key}.{name}.{extension(data)}", data
    row["columns"] = json.loads(row["columns"] or "{}")
    values = {name: _finite(value) for name, value in row.items()} | dict(provenance)
    yield f"{key}.json", json.dumps(values, ensure_ascii=False, sort_keys=True).encode()


def _finite(value: Any) -> Any:
    # JSON has no NaN and no infinity: a reader in another language would stop at one.
    return None if isinstance(value, float) and not math.isfinite(value) else value
