"""Writes and commits one chunk's results. Knows no Ray and no model.

Order is everything: the files, under names that no other attempt gives, then the record. Killed
before the record, nothing counts; of several attempts that reach it one creates it, and the others
find it and stop.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import asdict, replace
from functools import partial
from io import BytesIO
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from pipeline import storage
from pipeline.errors import BugError, RunError
from pipeline.keep import bound_of
from pipeline.rows import Chunk, Listed, PassedOver, Spent, but, where
from pipeline.sinks import dead, layout, parquet, rejected, webdataset
from pipeline.sinks.again import superseding
from pipeline.sinks.commits import Commit, PartFile, create_commit, newest
from pipeline.sinks.files import Files
from pipeline.sinks.groups import by_split, grouped
from pipeline.sinks.layout import ChunkName
from pipeline.sinks.lease import check_held
from pipeline.sinks.output import Output
from pipeline.sinks.pins import pin, pin_model
from pipeline.sinks.replay import merged, untouched
from pipeline.sinks.runs import runs


def write_part(output: Output, table: pa.Table, before: Commit | None = None) -> Commit:
    """Commits one chunk: `table` is of the result schema, whole and never empty.

    `before` is the record whose dead letters were run again; the next generation supersedes it. So
    it does where the table is of a newer list than the record that is there: what the table has of
    its members takes the place of what the record has of them (`again.py`), and is returned.
    Where another writer committed the same chunk first, this attempt's files go and its record
    is returned (of a replay: RunError). Transient storage errors are retried; others raise
    RunError, and so does a lease that another run took over. An edit that is missing or doubled
    against the planner's count is a BugError.
    """
    with storage.explained(output.path, "write a part", raising=RunError):
        chunk, spent, listed = Chunk.of(table), Spent.of(table), Listed.of(table)
        name = ChunkName(
            layout.shard_id(chunk.shard), chunk.index, before.generation + 1 if before else 0
        )
        committed = newest(output, name)
        due = committed if committed and listed and committed.as_of < listed.as_of else None
        if committed and not due:
            check_held(output)  # who was taken over need not go on
            return _theirs(output, committed, before)
        base = before or due
        if due:
            name = replace(name, generation=due.generation + 1)
        attempt = Files(output, name)
        made = _written(attempt, chunk, table, before, due.removed_ids if due else ())
        seconds = {k: round(v, 3) for k, v in asdict(spent).items()}
        seen = {"as_of": listed.as_of, "members": listed.members} if listed else {}
        made = made.model_copy(update={**seconds, **seen, "passed_over": PassedOver.of(table)})
        commit = merged(before, made) if before else made
        commit = superseding(output, due, made) if due else commit
        try:
            check_held(output)
            # Not before: who was taken over ties nothing to anything.
            pin(output, chunk, listed=bool(listed and listed.as_of))
            pin_model(output, table["weights"].to_pylist())
        except RunError:
            _remove(output, commit, base)
            raise
        if not create_commit(output, commit):
            return _lost(output, commit, base)
        return made if due else commit


def _written(
    attempt: Files, chunk: Chunk, table: pa.Table, before: Commit | None, never: Collection[str]
) -> Commit:
    planned = _check_planned(table)
    table = table.replace_schema_metadata(None)
    if before:
        carried = untouched(attempt.output, before, table)
        table, planned = pa.concat_tables([table, carried]), planned + len(carried)
    return _write_files(attempt, chunk, table, planned, never)


def _lost(output: Output, ours: Commit, before: Commit | None) -> Commit:
    """What another writer committed; our own files are removed."""
    _remove(output, ours, before)
    theirs = newest(output, ours.name)
    if theirs is None:
        raise RunError(f"{output.path}: a commit record vanished while it was written")
    return _theirs(output, theirs, before, ours.as_of)


def _remove(output: Output, ours: Commit, before: Commit | None) -> None:
    """Our own files, which no record names and nobody else can."""
    kept = {file.path for file in before.files} if before else set()
    for file in ours.files:
        if file.path not in kept:
            storage.remove(output.fs, f"{output.root}/{file.path}")


def _theirs(output: Output, committed: Commit, before: Commit | None, as_of: int = 0) -> Commit:
    if committed.as_of < as_of:
        raise RunError(f"{output.path}: another writer changed a chunk; this one stops")
    if before and before.as_of >= as_of:
        raise RunError(f"{output.path}: another replay took these dead letters; this one stops")
    return committed


def _write_files(
    attempt: Files, chunk: Chunk, table: pa.Table, planned: int, never: Collection[str]
) -> Commit:
    """Writes all rows but those whose id is one of `never`."""
    output = attempt.output
    ended = split(output, table)
    if planned != ended.total:
        raise BugError(f"{planned} edits were planned, {ended.total} came")
    edits, outside, dead_letters = (but(rows, never) for rows in ended[:3])
    ordinals = sorted(set(table["ordinal"].to_pylist()))
    dead_ordinals = sorted(set(dead_letters["ordinal"].to_pylist()))
    return Commit(
        shard=chunk.shard,
        shard_version=chunk.shard_version,
        chunk=chunk.index,
        generation=attempt.name.generation,
        last=chunk.last,
        rows=len(ordinals),
        planned=len(edits) + len(outside) + len(dead_letters),
        written=len(edits),
        rejected=len(outside),
        rejected_by=rejected.by_bound(list(map(bound_of, outside["error_message"].to_pylist()))),
        dead=len(dead_letters),
        passed=len(ended.passed),
        near_duplicates=sum(len(r) - r["near_duplicate"].null_count for r in (edits, outside)),
        passed_ordinals=runs(sorted(ended.passed["ordinal"].to_pylist())),
        ordinals=runs(ordinals),
        dead_ordinals=runs(dead_ordinals),
        dead_by_kind=dead.by_kind(dead_letters),
        files=list(_files(attempt, edits, outside, dead_letters)),
        fingerprint=output.fingerprint,
    )


def _files(
    attempt: Files, edits: pa.Table, outside: pa.Table, dead_letters: pa.Table
) -> Iterator[PartFile]:
    output = attempt.output
    for name, mine in by_split(edits, output):
        if "parquet" in output.formats:
            write = partial(parquet.write_edits, mine, output)
            yield attempt.stream("edits", write, len(mine), name)
        if "webdataset" in output.formats:
            write = partial(webdataset.write, mine, output)
            yield attempt.stream("webdataset", write, len(mine), name)
    if len(outside):
        write = partial(rejected.write_rejected, outside, output)
        yield attempt.stream("rejected", write, len(outside))
    if len(dead_letters):
        write = partial(dead.write_dead, dead_letters, output)
        yield attempt.stream("dead", write, len(dead_letters))


class Ended(NamedTuple):
    """The rows of a result table by how they ended; all but the last have their `id` before all."""

    edits: pa.Table
    rejected: pa.Table
    dead: pa.Table
    passed: pa.Table

    @property
    def total(self) -> int:
        """Of edits that ended, one way or another."""
        return len(self.edits) + len(self.rejected) + len(self.dead)


def split(output: Output, table: pa.Table) -> Ended:
    """A result table's rows by how they ended.

    Raises BugError where two of a chunk's rows are named alike.
    """
    failed = pc.is_valid(table["error_kind"])
    ended = pc.or_(failed, pc.is_valid(table["edit"]))
    all_ended = where(table, ended)
    names = all_ended.select(["shard", "key", "edit"]).to_pylist()
    ids = [layout.sample_id(output.run, n["shard"], n["key"], n["edit"] or "") for n in names]
    if len({name.lower() for name in ids}) < len(ids):
        raise BugError(f"two edits of one chunk share an id: {sorted(ids)}")
    rows = grouped(all_ended.add_column(0, "id", pa.array(ids, pa.string())), output)
    failed, outside = pc.is_valid(rows["error_kind"]), rejected.is_rejected(rows)
    return Ended(
        where(rows, pc.invert(failed)),
        where(rows, outside),
        where(rows, pc.and_not(failed, outside)),
        where(table, pc.invert(ended)),
    )


def encoded(output: Output, table: pa.Table) -> pa.Table:
    """`table` itself, after its rows were encoded as `write_part` does, and the bytes let go."""
    ended = split(output, table.replace_schema_metadata(None))
    if len(ended.edits):
        for write in (parquet.write_edits, webdataset.write):
            write(ended.edits, output, BytesIO())
    if len(ended.rejected):
        rejected.write_rejected(ended.rejected, output, BytesIO())
    if len(ended.dead):
        dead.write_dead(ended.dead, output, BytesIO())
    return table


def _check_planned(table: pa.Table) -> int:
    counts = Counter(table["ordinal"].to_pylist())
    planned = dict(zip(table["ordinal"].to_pylist(), table["planned"].to_pylist(), strict=True))
    wrong = [o for o, count in counts.items() if count != max(planned[o], 1)]
    if wrong:
        raise BugError(f"rows {wrong[:5]} did not end as many times as was planned")
    return sum(planned.values())
