"""Makes the files of a plan, each once, and the list of them. Knows no name's rule, no pixel.

What was written stands in a journal in the folder, so that an export goes on where it was stopped:
a file is left as it is where it has the content that the journal names for the same edit and look.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby, islice
from pathlib import Path
from typing import Any

from pipeline import storage
from pipeline.errors import RowError, RunError, UsageError
from pipeline.export.journal import JOURNAL, Entry, Journal, digest
from pipeline.export.manifest import to_csv
from pipeline.export.names import Template
from pipeline.export.picture import Look, made
from pipeline.export.plan import Item, Plan, Row, plan
from pipeline.sinks import edits
from pipeline.sinks.output import Output
from pipeline.storage import Storage

MANIFEST, LEFT_OUT = "manifest.csv", "left-out.csv"

Track = Callable[[Iterable[Item], int], Iterable[Item]]
"""Passes on what is done while it shows how far it is of so many."""


@dataclass
class Told:
    """What an export did."""

    plan: Plan
    written: int = 0
    there: int = 0  # right already
    small: list[str] = field(default_factory=list)  # smaller than asked for, not enlarged
    stale: list[str] = field(default_factory=list)  # of an earlier export, not asked for any more


@dataclass(frozen=True)
class Made:
    """A picture on its way to its file."""

    item: Item
    data: bytes = b""
    small: bool = False
    why_not: str = ""


def export(
    output: Output, out: Path, template: Template, look: Look, approved: bool, track: Track
) -> Told:
    """Writes the files and their list into `out`, which is made if missing.

    Raises UsageError for a folder that holds other things, and as `plan`; RunError where it cannot
    be written.
    """
    _refuse(out, output)
    told = Told(plan(output, template, approved))
    with storage.explained(str(out), "write the export", raising=RunError):
        out.mkdir(parents=True, exist_ok=True)
        with Journal(out) as journal:
            todo = [i for i in told.plan.items if not journal.right(i.name.path, _recipe(i, look))]
            told.there = len(told.plan.items) - len(todo)
            for _ in track(_write_all(output, out, todo, look, journal, told), len(todo)):
                pass
            done = {item.name.path for item in told.plan.items}
            told.stale = [name for name in journal.files() if name not in done]
        _write_lists(out, told.plan)
    return told


def _refuse(out: Path, output: Output) -> None:
    if "://" in str(out) or ":/" in str(out):
        raise UsageError(f"{out}: give a local folder; copy it to where it belongs afterwards")
    if out.exists() and not out.is_dir():
        raise UsageError(f"{out}: not a folder")
    if out.is_dir() and any(out.iterdir()) and not (out / JOURNAL).is_file():
        raise UsageError(f"{out}: not empty and not of an export; choose an empty or new folder")
    inner, outer = out.resolve(), Path(output.root).resolve()
    if not storage.is_remote(output.path) and inner.is_relative_to(outer):
        raise UsageError(f"{out}: lies in the output {output.path}; choose a folder beside it")


def _recipe(item: Item, look: Look) -> str:
    """Equal where the same file would be made. A part's name is never given to other content."""
    return digest(repr((item.id, item.part, look)).encode())


def _write_all(
    output: Output, out: Path, todo: list[Item], look: Look, journal: Journal, told: Told
) -> Iterator[Item]:
    for one in _all_made(output, todo, look):
        why_not = one.why_not or _write(out, one, journal, _recipe(one.item, look))
        if why_not:
            told.plan.items.remove(one.item)
            told.plan.left_out.append((one.item.values, why_not))
        else:
            told.written += 1
            told.small += [one.item.name.path] if one.small else []
        yield one.item


def _all_made(output: Output, todo: list[Item], look: Look) -> Iterator[Made]:
    workers = os.cpu_count() or 1
    work = _with_pictures(output, todo)
    with ThreadPoolExecutor(workers) as pool:
        while batch := list(islice(work, 2 * workers)):
            yield from pool.map(partial(_made, look), batch)


def _with_pictures(output: Output, todo: list[Item]) -> Iterator[tuple[Item, bytes]]:
    for part, group in groupby(todo, key=lambda item: item.part):
        items = {item.number: item for item in group}
        rows = edits.rows(output, part, items)
        for number, row in zip(sorted(items), rows, strict=True):
            yield items[number], row["edited"]["bytes"]


def _made(look: Look, work: tuple[Item, bytes]) -> Made:
    item, data = work
    try:
        return Made(item, *made(data, look))
    except RowError as error:
        return Made(item, why_not=str(error))


def _write(out: Path, one: Made, journal: Journal, recipe: str) -> str:
    """Writes one file; or why it must not be."""
    name = one.item.name.path
    target = out / name
    if not target.parent.resolve().is_relative_to(out.resolve()):
        return f"{name}: a link there leads out of {out}"
    if (target.exists() or target.is_symlink()) and not journal.knows(name):
        return f"{name}: there already, and not of an export"
    # The line first: of a file that a stopped export wrote it is known what it must be.
    journal.add(Entry(name, one.item.id, recipe, digest(one.data)))
    storage.put(*storage.connect(str(target), Storage()), one.data)
    return ""


def _write_lists(out: Path, plan: Plan) -> None:
    _put(out / MANIFEST, to_csv(plan.columns, (item.values for item in plan.items)))
    if plan.left_out:
        why: list[Row] = [{**values, "why": why} for values, why in plan.left_out]
        _put(out / LEFT_OUT, to_csv([n for n in plan.columns if n != "file"] + ["why"], why))
    else:
        (out / LEFT_OUT).unlink(missing_ok=True)


def _put(path: Path, data: bytes) -> None:
    fs, name = storage.connect(str(path), Storage())
    storage.put(fs, name, data)


def lines(told: Told, examples: int = 5) -> Iterator[str]:
    """For a person."""
    verdicts, plan = told.plan.verdicts, told.plan
    decided: dict[str, Any] = {name: verdicts[name] for name in ("approved", "rejected")}
    yield f"{verdicts.total()} edits: " + ", ".join(f"{n} {name}" for name, n in decided.items())
    yield f"files: {told.written} written, {told.there} there already and right"
    mended = [f"{i.name.path!r}" for i in plan.items if i.name.mended]
    yield from _some("names made safe", mended, examples)
    yield from _some("smaller than asked for (--enlarge fills)", told.small, examples)
    yield from _some("of an earlier export, not asked for any more", told.stale, examples)
    left = [f"{values['key']} {values['edit']}: {why}" for values, why in plan.left_out]
    yield from _some(f"left out ({LEFT_OUT})", left, examples)


def _some(what: str, names: list[str], most: int) -> Iterator[str]:
    if names:
        yield f"{what}: {len(names)}"
        yield from (f"  {name}" for name in names[:most])
        if len(names) > most:
            yield f"  … {len(names) - most} more"
