"""Writes and commits one chunk's results. Knows no Ray and no model.

Order is everything: the files, then the record. Killed before the record, nothing counts and the
next attempt writes the same names over; killed after it, the next attempt finds it and stops.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict
from hashlib import blake2b

import pyarrow as pa
import pyarrow.compute as pc

from pipeline import storage
from pipeline.errors import RunError
from pipeline.rows import Chunk, PassedOver, Spent
from pipeline.sinks import dead, layout, parquet, webdataset
from pipeline.sinks.commits import Commit, PartFile, find_commit, write_commit
from pipeline.sinks.lease import check_held
from pipeline.sinks.output import Output
from pipeline.sinks.replay import untouched


def write_part(output: Output, table: pa.Table) -> Commit:
    """Commits one chunk: `table` is of the result schema, whole and never empty.

    Transient storage errors are retried; others raise RunError, and so does a lease that another
    run took over. An edit that is missing or doubled
    against the planner's count is an AssertionError: a bug in a stage.
    """
    with storage.explained(output.path, "write a part", raising=RunError):
        chunk, spent, passed_over = Chunk.of(table), Spent.of(table), PassedOver.of(table)
        committed = find_commit(output, chunk, output.replay)
        if committed:
            return committed
        planned = _check_planned(table)
        table = table.replace_schema_metadata(None)
        if output.replay:
            carried = untouched(output, chunk, table)
            table, planned = pa.concat_tables([table, carried]), planned + len(carried)
        commit = _write_files(output, chunk, table, planned)
        seconds = {k: round(v, 3) for k, v in asdict(spent).items()}
        commit = commit.model_copy(update={**seconds, "passed_over": passed_over})
        check_held(output)
        write_commit(output, chunk, commit)
        return commit


def _write_files(output: Output, chunk: Chunk, table: pa.Table, planned: int) -> Commit:
    edits, dead_letters, passed = split(table)
    assert planned == len(edits) + len(dead_letters)
    contents = {
        "edits": parquet.encode_edits(edits, output.provenance) if len(edits) else None,
        "webdataset": webdataset.encode(edits, output.provenance)
        if len(edits) and output.webdataset
        else None,
        "dead": dead.encode(dead_letters, output.provenance) if len(dead_letters) else None,
    }
    files = [_write_file(output, kind, chunk, data) for kind, data in contents.items()]
    ordinals = sorted(set(table["ordinal"].to_pylist()))
    dead_ordinals = sorted(set(dead_letters["ordinal"].to_pylist()))
    return Commit(
        shard=chunk.shard,
        shard_version=chunk.shard_version,
        chunk=chunk.index,
        last=chunk.last,
        rows=len(ordinals),
        planned=planned,
        written=len(edits),
        dead=len(dead_letters),
        passed=len(passed),
        replay=output.replay,
        ordinals=runs(ordinals),
        dead_ordinals=runs(dead_ordinals),
        dead_by_kind=_by_kind(dead_letters),
        files=[file for file in files if file],
        fingerprint=output.fingerprint,
    )


def split(table: pa.Table) -> tuple[pa.Table, pa.Table, pa.Table]:
    """(edits, with their `id`; dead letters; passed) of a result table."""
    failed = pc.is_valid(table["error_kind"])
    planned = pc.is_valid(table["edit"])
    edits = table.filter(pc.and_(pc.invert(failed), planned))
    passed = table.filter(pc.and_(pc.invert(failed), pc.invert(planned)))
    names = edits.select(["shard", "key", "edit"]).to_pylist()
    ids = pa.array([layout.sample_id(**name) for name in names], pa.string())
    return edits.add_column(0, "id", ids), table.filter(failed), passed


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
    assert not wrong, f"rows {wrong[:5]} did not end as many times as was planned"
    return sum(planned.values())


def _by_kind(dead_letters: pa.Table) -> dict[str, int]:
    stages = dead_letters["error_stage"].to_pylist()
    kinds = dead_letters["error_kind"].to_pylist()
    counts = Counter(f"{stage}/{kind}" for stage, kind in zip(stages, kinds, strict=True))
    return dict(sorted(counts.items()))


def _write_file(output: Output, kind: str, chunk: Chunk, data: bytes | None) -> PartFile | None:
    path = layout.part_path(kind, chunk, output.replay)
    if data is None:
        # An attempt that was killed may have had a row of this kind where this one has none.
        storage.remove(output.fs, f"{output.root}/{path}")
        return None
    storage.put(output.fs, f"{output.root}/{path}", data)
    return PartFile(path=path, bytes=len(data), blake2b=blake2b(data, digest_size=16).hexdigest())
