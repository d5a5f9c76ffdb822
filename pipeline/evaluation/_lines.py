"""The plain layout of edits: a JSON Lines file beside its pictures. Knows no benchmark.

`records.jsonl`: {image, target_prompt} and, where there are any, source_prompt, mask, target (the
true edit), group, id; paths are relative to the file. In a mask white is what is to be edited.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from pipeline.evaluation._record import (
    Pixels,
    Place,
    Record,
    file_bytes,
    find,
    image_mask,
    need,
    read_lines,
    safe,
    seen,
)

FILE = "records.jsonl"


def records(place: Place, kind: str = "group") -> Iterator[Record]:
    """In the file's order; `kind` names the field that categories come from."""
    path = place.file(FILE)
    for number, entry in enumerate(read_lines(path)):
        yield _record(path, number, entry, kind)


def _record(path: Path, number: int, entry: dict[str, Any], kind: str) -> Record:
    where = f"{path}: record {number}"
    image = need(entry, "image", where)
    mask, target = (_relative(path, entry, field, where) for field in ("mask", "target"))
    return Record(
        id=safe(str(entry.get("id") or f"{number:05d}-{Path(image).stem}")),
        picture=image,
        source=lambda: file_bytes(find(path.parent, image)),
        source_prompt=str(entry.get("source_prompt") or ""),
        target_prompt=need(entry, "target_prompt", where),
        group=str(entry.get(kind) or ""),
        mask=partial(image_mask, mask),
        wanted=partial(_wanted, target),
        meta={**entry, "path": image},
    )


def _relative(path: Path, entry: dict[str, Any], field: str, where: str) -> Path | None:
    return find(path.parent, need(entry, field, where)) if entry.get(field) else None


def _wanted(path: Path | None) -> Pixels | None:
    data = file_bytes(path)
    return None if data is None else seen(data)
