"""Moves edits between written and rejected by other bounds, from the scores that they have.

Nothing is edited again. The bounds are put in force first (`bounds.py`), so that what a run or a
replay writes from then on is by them; then, chunk by chunk, one record, the next generation, names
files in which each edit is where they say. Killed anywhere, what is left to move can be told from
scores and places alone, and whoever comes next, another recheck, a run or a replay, moves it.
Knows no stage.
"""

from __future__ import annotations

import tarfile
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, BinaryIO

import pyarrow as pa

from pipeline import storage
from pipeline.checks import Bound
from pipeline.errors import RunError
from pipeline.keep import bound_of, column, refused
from pipeline.sinks import bounds, parquet, webdataset
from pipeline.sinks.bounds import Bounds
from pipeline.sinks.commits import Commit, PartFile, create_commit, load_progress, read_commits
from pipeline.sinks.files import Files
from pipeline.sinks.lease import check_held, writing
from pipeline.sinks.made import made, schema_of, values
from pipeline.sinks.output import Output
from pipeline.sinks.publish import mark, publish
from pipeline.sinks.rejected import by_bound, with_reasons
from pipeline.sinks.sweep import sweep

Reasons = dict[str, str | None]
"""Id → why the edit is rejected; None where it stays."""


@dataclass
class Moved:
    """What a recheck did, or would do; and how the output's edits ended by it."""

    chunks: int = 0  # that got another record
    to_rejected: int = 0
    to_written: int = 0
    written: int = 0
    rejected: int = 0
    rejected_by: Counter[str] = field(default_factory=Counter)
    without_pictures: int = 0  # dead letters of a version that kept no rejected edit


def recheck(output: Output, keep: Mapping[str, Bound], dry: bool = False) -> Moved:
    """Puts `keep` in force and moves edits by it; `dry`, it only says what would move.

    Takes the lease and ends with a sweep. Raises UsageError where a run is writing there, RunError
    where another writer changed a chunk meanwhile.
    """
    if dry:
        return _each(output, Bounds(keep=dict(keep)), _nothing)
    with writing(output) as held:
        check_held(held)
        mark(held)  # before the bounds: killed after them, the next run has something to do
        moved = finish(held, bounds.decide(held, keep))
        publish(held)  # before the sweep, so that the index names no file that is gone
        sweep(held, load_progress(held))
    return moved


def finish(output: Output, now: Bounds) -> Moved:
    """Moves what is not where the bounds in force say, under the caller's lease and mark."""
    moved = _each(output, now, _commit)
    bounds.ended(output, now)
    return moved


Change = Callable[[Output, Commit, Reasons, Reasons, Bounds], None]


def _each(output: Output, now: Bounds, change: Change) -> Moved:
    moved = Moved()
    with storage.explained(output.path, "recheck its edits", raising=RunError):
        for commit in read_commits(output):
            before, after = _reasons(output, commit, now)
            if before != after:
                change(output, commit, before, after, now)
            _count(moved, commit, before, after)
    return moved


def _reasons(output: Output, commit: Commit, now: Bounds) -> tuple[Reasons, Reasons]:
    """As they stand, and by the bounds in force."""
    rows = list(values(output, commit, [column(name) for name in now.keep]))
    before = {row["id"]: row["reason"] for row in rows}
    return before, {row["id"]: refused(row, now.keep) for row in rows}


def _count(moved: Moved, commit: Commit, before: Reasons, after: Reasons) -> None:
    moved.chunks += before != after
    for name, reason in after.items():
        moved.to_rejected += before[name] is None and reason is not None
        moved.to_written += before[name] is not None and reason is None
        moved.written += reason is None
        moved.rejected += reason is not None
        moved.rejected_by.update([] if reason is None else [bound_of(reason)])
    moved.without_pictures += commit.dead_by_kind.get("check/rejected", 0)


def _nothing(*_: object) -> None:
    """A dry run's."""


def _commit(output: Output, commit: Commit, before: Reasons, after: Reasons, now: Bounds) -> None:
    name = replace(commit.name, generation=commit.generation + 1)
    attempt = Files(output, name)
    new = list(_files(attempt, commit, before, after))
    told = [bound_of(reason) for reason in after.values() if reason is not None]
    change: dict[str, Any] = {
        "generation": name.generation,
        "bounds": now.number,
        "written": len(after) - len(told),
        "rejected": len(told),
        "rejected_by": by_bound(told),
        "files": new,
    }
    check_held(output)
    if not create_commit(output, commit.model_copy(update=change)):
        for file in new:
            if file not in commit.files:
                storage.remove(output.fs, f"{output.root}/{file.path}")
        raise RunError(f"{output.path}: another writer changed a chunk; this one stops")


def _files(attempt: Files, commit: Commit, before: Reasons, after: Reasons) -> Iterator[PartFile]:
    """The next generation's: what no edit comes into or leaves stays as it is."""
    splits = _splits(attempt.output, commit)
    stay = [name for name, reason in after.items() if reason is None]
    moves = {name for name, reason in before.items() if reason is None} != set(stay)
    for file in commit.files:
        if file.kind == "dead" or (file.kind != "rejected" and not moves):
            yield file
    schema = schema_of(attempt.output, commit)
    for split in attempt.output.splits or [""]:
        mine = [name for name in stay if splits.get(name, "") == split]
        for form, kind, write in _FORMS if moves and mine else ():
            if form in attempt.output.formats:
                writes = partial(write, attempt.output, commit, frozenset(mine), schema)
                yield attempt.stream(kind, writes, len(mine), split)
    if len(stay) < len(after):
        outside = partial(_write_rejected, attempt.output, commit, after, schema)
        yield attempt.stream("rejected", outside, len(after) - len(stay))


def _splits(output: Output, commit: Commit) -> dict[str, str]:
    """Id → split, of each edit that is of one."""
    named = values(output, commit, ["split"]) if output.splits else ()
    return {row["id"]: row["split"] for row in named if row.get("split")}


def _write_edits(
    output: Output, commit: Commit, mine: Collection[str], schema: pa.Schema, sink: BinaryIO
) -> None:
    rows = (row.read() for row in made(output, commit, schema) if row.id in mine)
    parquet.write_rows(rows, schema, sink)


def _write_rejected(
    output: Output, commit: Commit, after: Reasons, schema: pa.Schema, sink: BinaryIO
) -> None:
    def rows() -> Iterator[pa.Table]:
        for row in made(output, commit, schema):
            reason = after[row.id]
            if reason is not None:
                yield with_reasons(row.read(), [reason])

    parquet.write_rows(rows(), with_reasons(schema.empty_table(), []).schema, sink)


def _write_tar(
    output: Output, commit: Commit, mine: Collection[str], schema: pa.Schema, sink: BinaryIO
) -> None:
    with ExitStack() as opened:
        files = [
            opened.enter_context(output.fs.open(f"{output.root}/{file.path}", "rb"))
            for file in commit.files_of("webdataset")
        ]
        old = webdataset.index(opened.enter_context(tarfile.open(fileobj=f)) for f in files)
        stay = ((row.id, row.read) for row in made(output, commit, schema) if row.id in mine)
        webdataset.write_rows(stay, old, output, sink)


_FORMS = (("parquet", "edits", _write_edits), ("webdataset", "webdataset", _write_tar))
"""Of `output.formats`, the kind of its parts, and what writes one."""


def lines(moved: Moved, keep: str, dry: bool) -> Iterator[str]:
    """What a recheck did, for a person."""
    would = "would move" if dry else "moved"
    yield f"bounds {'asked for' if dry else 'in force'}: {keep}"
    yield (
        f"{would} {moved.to_rejected:,} edits to rejected and {moved.to_written:,} to written, in "
        f"{moved.chunks:,} chunks; written {moved.written:,}, rejected {moved.rejected:,}"
    )
    if moved.without_pictures:
        yield (
            f"rejected by an older version, which kept no pictures: {moved.without_pictures:,}; "
            "`diffedit dead replay DIR --kind rejected` edits them again"
        )
