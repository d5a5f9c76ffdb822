"""A shard's members → tables of one chunk each (READ_SCHEMA). Knows no format."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import groupby, islice
from typing import cast

import pyarrow as pa
from pyroaring import BitMap

from pipeline.errors import BugError, RowError, RunError, UsageError
from pipeline.rows import GONE, RANK, READ_SCHEMA, Listed, PassedOver, name_digest
from pipeline.sources import _text
from pipeline.sources._entries import content, content_stamp
from pipeline.sources._filling import Filling
from pipeline.sources._shard import Entry, Growing, Member, Pick, Shard, Source

LOOK, LOOK_AGAIN = 16, 256
"""Members of a shard looked at for the columns that a rule needs; of a lone shard."""
LOOK_SHARDS = 8
AMISS = ("missing_column", "ambiguous_column", "wrong_type")
"""Kinds of errors of a whole shard that come of the config, if every shard has them."""


def chunks(
    source: Source, shard: Shard, filling: Filling, done: BitMap, limit: int | None = None
) -> Iterator[pa.Table]:
    """Streams `shard` as tables of one chunk each, which a new `filling` tells apart.

    A chunk whose number is in `done` is counted but not built. Of a shard with picks, the chunks
    are theirs. At most one chunk and one member are held. Keys come out unique in the shard: one
    that returns is `repeated_key`, its key made unique by its ordinal. Raises RunError where the
    storage fails in spite of retries.
    """
    if shard.picks is not None:
        yield from _picked(source, shard, shard.picks)
        return
    members = islice(_unique(read_members(source, shard)), limit)
    groups = groupby(members, lambda member: filling.add(_bytes(member)))
    ahead = next(groups, None)
    while ahead:
        index, chunk = ahead
        batch = [] if index in done else list(chunk)
        ahead = next(groups, None)
        if batch:
            read = {member.ordinal: _told(name_digest(member.key), [member]) for member in batch}
            yield Listed(0, read).noted(chunk_table(shard, index, batch, last=ahead is None))


def everybody(source: Source, shard: Shard, limit: int | None = None) -> Iterator[Member]:
    """The members that `chunks` has, and of a shard with picks their peers; in whatever chunk."""
    if shard.picks is None:
        yield from islice(_unique(read_members(source, shard)), limit)
        return
    peers = shard.peers
    if peers and getattr(source, "grows", False):  # what is not there any more is no error here
        there = {(entry.name, entry.stamp) for entry in cast(Growing, source).entries(shard)}
        peers = tuple(peer for peer in peers if (peer.name, peer.stamp) in there)
    picks = sorted([*shard.picks, *peers])
    yield from _unique(read_members(source, replace(shard, picks=tuple(picks))))


def _picked(source: Source, shard: Shard, picks: Sequence[Pick]) -> Iterator[pa.Table]:
    """One table a chunk, as soon as it is whole; a chunk all of whose picks are gone has none."""
    of_place = {pick.position: pick for pick in picks}
    of_chunk = {chunk: list(mine) for chunk, mine in groupby(picks, lambda pick: pick.chunk)}
    lacking = Counter(pick.chunk for pick in picks if pick.stamp != GONE)
    read: dict[int, list[Member]] = {}
    members = _unique(read_members(source, shard))
    for place, rows in groupby(members, lambda member: member.ordinal % RANK):
        chunk = of_place[place].chunk
        read[place] = list(rows)
        lacking[chunk] -= 1
        if not lacking[chunk]:
            mine = of_chunk[chunk]
            told = {pick.position: _told(pick.name, read.get(pick.position, ())) for pick in mine}
            batch = [row for pick in mine for row in read.pop(pick.position, ())]
            table = chunk_table(shard, chunk, batch, last=chunk == shard.chunks - 1)
            yield Listed(mine[0].as_of, told).noted(table)


def _told(name: int, rows: Sequence[Member]) -> str:
    return f"{name:016x}{content(rows) if rows else ''}"


def read_entries(source: Source, shard: Shard) -> list[Entry]:
    """Every member of a shard that tells of none before it is read. Raises as `read_members`."""
    return [
        Entry(m.key, name_digest(m.key), content_stamp(content([m])), len(m.image or b""))
        for m in _unique(read_members(source, shard))
    ]


def _bytes(member: Member) -> int:
    return sum(len(held or b"") for held in (member.image, member.mask, member.protect))


def require_columns(source: Source, shards: Sequence[Shard], names: Iterable[str]) -> None:
    """Raises UsageError where none of the shards looked at has all columns of `names`.

    Also raises it where each lacks a column that the source itself reads. A shard that cannot be
    read says nothing: what is wrong with the first is judged as in any other, by its rows.
    """
    looked = shards[:: -(-len(shards) // LOOK_SHARDS)]
    complaints = []
    for shard in looked:
        number = LOOK if len(looked) > 1 else LOOK_AGAIN
        complaint = _complaint(islice(read_members(source, shard), number), set(names))
        if complaint == "":
            return
        if complaint:
            complaints.append(f"{shard.path}: {complaint}")
    if complaints:
        raise UsageError(complaints[0])


def _complaint(members: Iterable[Member], names: set[str]) -> str | None:
    """What is amiss with the columns of one shard's members; '': nothing; None: they do not say."""
    there: set[str] = set()
    living = False
    for member in members:
        if member.key == "(shard)" and member.error and member.error.kind in AMISS:
            return member.error.message
        living = living or member.error is None
        there.update(member.columns)
        if living and names <= there:
            return ""
    if not living:
        return None
    lacking, has = ", ".join(sorted(names - there)), ", ".join(sorted(there)) or "none"
    return f"no column {lacking}; its columns: {has}"


def read_members(source: Source, shard: Shard) -> Iterator[Member]:
    """The members of `shard`. Raises RunError where the storage fails, or the shard changed."""
    if shard.picks is not None and not getattr(source, "grows", False):
        yield from _matched(source, replace(shard, picks=None), shard.picks)
        return
    try:
        for ordinal, member in enumerate(source.members(shard)):
            if shard.picks is None and member.ordinal != ordinal:
                raise BugError(f"{shard.path}: member {ordinal} is numbered {member.ordinal}")
            yield member
    except OSError as error:
        raise RunError(f"cannot read shard {shard.path}: {error}") from error


def _matched(source: Source, shard: Shard, picks: Sequence[Pick]) -> Iterator[Member]:
    """Of all members those that are picked, by their keys."""
    by_name = {pick.name: pick for pick in picks if pick.stamp != GONE}
    for member in _unique(read_members(source, shard)):
        pick = by_name.get(name_digest(member.key))
        if pick:
            yield replace(member, ordinal=pick.position)


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


def _storable(message: str) -> str:
    return _text.clean(_text.utf8(message))  # names stand in it as they are in the input


def chunk_table(shard: Shard, index: int, members: list[Member], last: bool) -> pa.Table:
    """One chunk's members as a table (READ_SCHEMA)."""
    rows = [
        {
            "shard": shard.path,
            "shard_version": shard.version,
            "chunk": index,
            "last": last,
            "ordinal": member.ordinal,
            "key": member.key,
            "image": member.image,
            "input_mask": member.mask,
            "input_protect": member.protect,
            "caption": member.caption,
            "columns": json.dumps(member.columns, ensure_ascii=False, allow_nan=False),
            "error_stage": "read" if member.error else None,
            "error_kind": member.error.kind if member.error else None,
            # It may tell names as they are in the input.
            "error_message": _text.clean(_text.utf8(member.error.message))
            if member.error
            else None,
        }
        for member in members
    ]
    columns = [pa.array([row[f.name] for row in rows], f.type) for f in READ_SCHEMA]
    passed = PassedOver()
    for member in members:
        passed.merge(member.passed)
    return passed.noted(pa.table(columns, schema=READ_SCHEMA))
