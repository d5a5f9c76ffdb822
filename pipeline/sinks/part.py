"""Writes and commits one chunk's results. Knows no Ray and no model.

Order is everything: the files, under names that no other attempt gives, then the record. Killed
before the record, nothing counts; of several attempts that reach it one creates it, and the others
find it and stop.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from hashlib import blake2b

import pyarrow as pa
import pyarrow.compute as pc

from pipeline import storage
from pipeline.errors import BugError, RunError
from pipeline.rows import Chunk, PassedOver, Spent
from pipeline.sinks import dead, layout, parquet, webdataset
from pipeline.sinks.commits import Commit, PartFile, create_commit, newest
from pipeline.sinks.layout import ChunkName
from pipeline.sinks.lease import check_held
from pipeline.sinks.output import Output
from pipeline.sinks.pins import pin, pin_model
from pipeline.sinks.replay import merged, untouched


def write_part(output: Output, table: pa.Table, before: Commit | None = None) -> Commit:
    """Commits one chunk: `table` is of the result schema, whole and never empty.

    `before` is the record whose dead letters were run again; the next generation supersedes it.
    Where another writer committed the same chunk first, this attempt's files go and its record
    is returned (of a replay: RunError). Transient storage errors are retried; others raise
    RunError, and so does a lease that another run took over. An edit that is missing or doubled
    against the planner's count is a BugError.
    """
    with storage.explained(output.path, "write a part", raising=RunError):
        chunk, spent = Chunk.of(table), Spent.of(table)
        name = ChunkName(
            layout.shard_id(chunk.shard), chunk.index, before.generation + 1 if before else 0
        )
        committed = newest(output, name)
        if committed:
            check_held(output)  # who was taken over need not go on
            return _theirs(output, committed, before)
        commit = _written(output, chunk, name, table, before)
        seconds = {k: round(v, 3) for k, v in asdict(spent).items()}
        commit = commit.model_copy(update={**seconds, "passed_over": PassedOver.of(table)})
        commit = merged(before, commit) if before else commit
        try:
            check_held(output)
            # Not before: who was taken over ties nothing to anything.
            pin(output, chunk)
            pin_model(output, table["weights"].to_pylist())
        except RunError:
            _remove(output, commit, before)
            raise
        return commit if create_commit(output, commit) else _lost(output, commit, before)


def _written(
    output: Output, chunk: Chunk, name: ChunkName, table: pa.Table, before: Commit | None
) -> Commit:
    planned = _check_planned(table)
    table = table.replace_schema_metadata(None)
    if before:
        carried = untouched(output, before, table)
        table, planned = pa.concat_tables([table, carried]), planned + len(carried)
    return _write_files(output, chunk, name, table, planned)


def _lost(output: Output, ours: Commit, before: Commit | None) -> Commit:
    """What another writer committed; our own files are removed."""
    _remove(output, ours, before)
    theirs = newest(output, ours.name)
    if theirs is None:
        raise RunError(f"{output.path}: a commit record vanished while it was written")
    return _theirs(output, theirs, before)


def _remove(output: Output, ours: Commit, before: Commit | None) -> None:
    """Our own files, which no record names and nobody else can."""
    kept = {file.path for file in before.files} if before else set()
    for file in ours.files:
        if file.path not in kept:
            storage.remove(output.fs, f"{output.root}/{file.path}")


def _theirs(output: Output, committed: Commit, before: Commit | None) -> Commit:
    if before:
        raise RunError(f"{output.path}: another replay took these dead letters; this one stops")
    return committed


@dataclass(frozen=True)
class Files:
    """Puts the files of one attempt."""

    output: Output
    name: ChunkName
    token: str = field(default_factory=layout.token)

    def put(self, kind: str, data: bytes, rows: int) -> PartFile:
        """Writes the file of `kind`, one of `layout.PARTS`."""
        path = layout.part_path(kind, self.output.run, self.name, self.token)
        storage.put(self.output.fs, f"{self.output.root}/{path}", data)
        digest = blake2b(data, digest_size=16).hexdigest()
        return PartFile(path=path, rows=rows, bytes=len(data), blake2b=digest)


def _write_files(
    output: Output, chunk: Chunk, name: ChunkName, table: pa.Table, planned: int
) -> Commit:
    edits, dead_letters, passed = split(output.run, table)
    if planned != len(edits) + len(dead_letters):
        raise BugError(f"{planned} edits were planned, {len(edits) + len(dead_letters)} came")
    attempt = Files(output, name)
    files = []
    if len(edits) and "parquet" in output.formats:
        files.append(attempt.put("edits", parquet.encode_edits(edits, output), len(edits)))
    if len(edits) and "webdataset" in output.formats:
        files.append(attempt.put("webdataset", webdataset.encode(edits, output), len(edits)))
    if len(dead_letters):
        files.append(attempt.put("dead", dead.encode(dead_letters, output), len(dead_letters)))
    ordinals = sorted(set(table["ordinal"].to_pylist()))
    dead_ordinals = sorted(set(dead_letters["ordinal"].to_pylist()))
    return Commit(
        shard=chunk.shard,
        shard_version=chunk.shard_version,
        chunk=chunk.index,
        generation=name.generation,
        last=chunk.last,
        rows=len(ordinals),
        planned=planned,
        written=len(edits),
        dead=len(dead_letters),
        passed=len(passed),
        ordinals=runs(ordinals),
        dead_ordinals=runs(dead_ordinals),
        dead_by_kind=by_kind(dead_letters),
        files=files,
        fingerprint=output.fingerprint,
    )


def split(run: str, table: pa.Table) -> tuple[pa.Table, pa.Table, pa.Table]:
    """(edits, dead letters, passed) of a result table, the first two with their `id` before all.

    Raises BugError where two of a chunk's rows are named alike.
    """
    failed = pc.is_valid(table["error_kind"])
    ended = pc.or_(failed, pc.is_valid(table["edit"]))
    names = table.filter(ended).select(["shard", "key", "edit"]).to_pylist()
    ids = [layout.sample_id(run, n["shard"], n["key"], n["edit"] or "") for n in names]
    if len({name.lower() for name in ids}) < len(ids):
        raise BugError(f"two edits of one chunk share an id: {sorted(ids)}")
    rows = table.filter(ended).add_column(0, "id", pa.array(ids, pa.string()))
    dead_rows = pc.is_valid(rows["error_kind"])
    return rows.filter(pc.invert(dead_rows)), rows.filter(dead_rows), table.filter(pc.invert(ended))


def encoded(output: Output, table: pa.Table) -> pa.Table:
    """`table` itself, after its rows were encoded as `write_part` does, and the bytes let go."""
    edits, dead_letters, _ = split(output.run, table.replace_schema_metadata(None))
    if len(edits):
        for encode in (parquet.encode_edits, webdataset.encode):
            encode(edits, output)
    if len(dead_letters):
        dead.encode(dead_letters, output)
    return table


def runs(numbers: Iterable[int]) -> list[tuple[int, int]]:
    """Ascending numbers as (first, last) of each run of consecutive ones."""
    found: list[tuple[int, int]] = []
    for number in numbers:
        if found and number == found[-1][1] + 1:
            found[-1] = (found[-1][0], number)
        else:
            found.append((number, number))
    return found


def _check_planned(table: pa.Table) -> int:
    counts = Counter(table["ordinal"].to_pylist())
    planned = dict(zip(table["ordinal"].to_pylist(), table["planned"].to_pylist(), strict=True))
    wrong = [o for o, count in counts.items() if count != max(planned[o], 1)]
    if wrong:
        raise BugError(f"rows {wrong[:5]} did not end as many times as was planned")
    return sum(planned.values())


def by_kind(dead_letters: pa.Table) -> dict[str, int]:
    """How many there are of each "stage/kind"."""
    stages = dead_letters["error_stage"].to_pylist()
    kinds = dead_letters["error_kind"].to_pylist()
    counts = Counter(f"{stage}/{kind}" for stage, kind in zip(stages, kinds, strict=True))
    return dict(sorted(counts.items()))
