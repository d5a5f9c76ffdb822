"""The edits that an output's card shows: which they are, what they say, and their pictures.

They are taken from the first parts there are, so that the same output shows the same, and only
from edits that are committed and within the bounds. Knows no page.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, islice
from typing import Any

from pipeline import storage
from pipeline.images.example import side_by_side
from pipeline.sinks import layout
from pipeline.sinks.commits import PartFile
from pipeline.sinks.edits import Row, first_rows
from pipeline.sinks.output import Output

MOST = 5
"""Edits that are shown."""
VALUES = ("id", "source_prompt", "target_prompt", "instruction", "edit_type", "mask_area")
_WHICH = ("shard", "key", "edit")


@dataclass(frozen=True)
class Example:
    """An edit, and where it is."""

    part: str
    number: int  # row of its part
    values: Row


def choose(output: Output, parts: Sequence[PartFile]) -> list[Example]:
    """Up to `MOST` edits of the first of `parts` that have so many, of different targets and images
    as far as there are. Raises RunError where a part is damaged."""
    found: list[Example] = []
    for part in parts:
        if len(found) < MOST:
            rows = first_rows(output, part.path, {*VALUES, *_WHICH})
            found += [Example(part.path, number, row) for number, row in enumerate(rows)]
    order = zip(_repeated(found), range(len(found)), strict=True)
    return [found[at] for _, at in sorted(order)[:MOST]]


def _repeated(found: Iterable[Example]) -> Iterator[int]:
    """How often the target and the image of each were there before it."""
    seen: Counter[object] = Counter()
    for example in found:
        row = example.values
        names = (row["edit"], (row["shard"], row["key"]))
        yield sum(seen[name] for name in names)
        seen.update(names)


def told(example: Example) -> dict[str, Any]:
    """What an edit says, as far as it is said."""
    row = example.values
    return {name: row[name] for name in VALUES if row.get(name)}


def show(output: Output, examples: Iterable[Example]) -> list[str]:
    """Puts the pictures of `examples` beside the card; the ids of those that have one."""
    shown = []
    for part, mine in groupby(sorted(examples, key=_place), key=lambda example: example.part):
        named = {example.number: str(example.values["id"]) for example in mine}
        rows = islice(first_rows(output, part, columns(output)), max(named) + 1)
        for number, row in enumerate(rows):
            picture = side_by_side(_pictures(output, row)) if number in named else None
            if picture is not None:
                path = layout.shown_path(named[number])
                storage.put(output.fs, f"{output.root}/{path}", picture)
                shown.append(named[number])
    return shown


def _place(example: Example) -> tuple[str, int]:
    return example.part, example.number


def columns(output: Output) -> list[str]:
    """Those whose pictures stand side by side, from left to right."""
    return ["source", "edited", "mask"] if output.source else ["edited", "mask"]


def _pictures(output: Output, row: Row) -> list[bytes]:
    return [(row.get(name) or {}).get("bytes") or b"" for name in columns(output)]


def hide(output: Output, shown: Iterable[str]) -> None:
    """Removes the pictures of all edits but those `shown`; a file of another kind stays."""
    kept = {layout.shown_path(name) for name in shown}
    for name in list(storage.names(output.fs, f"{output.root}/{layout.SHOWN}")):
        path = f"{layout.SHOWN}/{name}"
        if layout.is_shown(storage.whole_name(name)) and path not in kept:
            storage.remove(output.fs, f"{output.root}/{path}")
