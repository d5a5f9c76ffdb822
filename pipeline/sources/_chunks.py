"""A shard's members → tables of one chunk each (READ_SCHEMA). Knows no format."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import islice

import pyarrow as pa
from pyroaring import BitMap

from pipeline.errors import BugError, RowError, RunError, UsageError
from pipeline.rows import READ_SCHEMA
from pipeline.sources._shard import Member, Shard, Source

LOOK = 16
"""Members looked at for the columns that a rule needs."""


def chunks(
    source: Source, shard: Shard, chunk_rows: int, done: BitMap, limit: int | None = None
) -> Iterator[pa.Table]:
    """Streams `shard` as tables of `chunk_rows` members (the last may hold fewer).

    A chunk whose number is in `done` is counted but not built. At most one chunk and one member
    are held. Keys come out unique in the shard: one that returns is `repeated_key`, its key made
    unique by its ordinal. Raises RunError where the storage fails in spite of retries.
    """
    members = islice(_unique(_read(source, shard)), limit)
    ahead = next(members)
    for index in range(2**31):
        wanted = index not in done
        batch = [ahead] if wanted else []
        following: Member | None = None
        for count, member in enumerate(members, 1):
            if count == chunk_rows:
                following = member
                break
            if wanted:
                batch.append(member)
        if wanted:
            yield _table(shard, index, batch, last=following is None)
        if following is None:
            return
        ahead = following


def require_columns(source: Source, shard: Shard, names: Iterable[str]) -> None:
    """Raises UsageError where a column of `names` is in none of the first members read.

    Also raises it where `shard` lacks a column that the source itself reads.
    """
    first = list(islice(_read(source, shard), LOOK))
    if first[0].error and first[0].error.kind in ("missing_column", "wrong_type"):
        raise UsageError(f"{shard.path}: {first[0].error.message}")
    there = sorted({name for member in first for name in member.columns})
    missing = sorted(set(names) - set(there))
    if missing and any(member.error is None for member in first):
        has = ", ".join(there) or "none"
        raise UsageError(f"{shard.path}: no column {', '.join(missing)}; its columns: {has}")


def _read(source: Source, shard: Shard) -> Iterator[Member]:
    try:
        for ordinal, member in enumerate(source.members(shard)):
            if member.ordinal != ordinal:
                raise BugError(f"{shard.path}: member {ordinal} is numbered {member.ordinal}")
            yield member
    except OSError as error:
        raise RunError(f"cannot read shard {shard.path}: {error}") from error


def _unique(members: Iterable[Member]) -> Iterator[Member]:
    seen: set[int] = set()  # 64-bit digests: about 70 bytes a member, whatever its key's length
    for member in members:
        if _seen(member.key, seen):
            message = f"the key {member.key!r} came before in this shard; keys must be unique"
            error = member.error or RowError("repeated_key", message)
            member = replace(member, key=f"{member.key}~{member.ordinal}", error=error)
            _seen(member.key, seen)
        yield member


def _seen(key: str, seen: set[int]) -> bool:
    digest = int.from_bytes(hashlib.blake2b(key.encode(), digest_size=8).digest())
    before = digest in seen
    seen.add(digest)
    return before


def _table(shard: Shard, index: int, members: list[Member], last: bool) -> pa.Table:
    rows = [
        {
            "shard": shard.path,
            "shard_version": shard.version,
            "chunk": index,
            "last": last,
            "ordinal": member.ordinal,
            "key": member.key,
            "image": member.image,
            "caption": member.caption,
            "columns": json.dumps(member.columns, ensure_ascii=False, allow_nan=False),
            "error_stage": "read" if member.error else None,
            "error_kind": member.error.kind if member.error else None,
            "error_message": member.error.message if member.error else None,
        }
        for member in members
    ]
    columns = [pa.array([row[f.name] for row in rows], f.type) for f in READ_SCHEMA]
    return pa.table(columns, schema=READ_SCHEMA)
