"""What is new in an input that was looked at before: added, changed, touched and gone members.

Compares the listing with the frozen lists (`sinks/lists.py`) and, of what looks changed, the
content with what was committed. Writes nothing. Knows no Ray.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline.config import RunConfig
from pipeline.engine.todo import filling
from pipeline.errors import UsageError
from pipeline.rows import GONE, RANK
from pipeline.sinks import layout, lists
from pipeline.sinks.commits import Commit, Progress, newest, read_all
from pipeline.sinks.layout import ChunkName
from pipeline.sinks.lists import (
    ADDED,
    ADOPTED,
    AGAIN,
    DROPPED,
    OLD,
    SAME,
    Found,
    Head,
    Known,
    Lists,
)
from pipeline.sinks.output import Output
from pipeline.sinks.runs import unrolled
from pipeline.sources._chunks import read_entries, read_members
from pipeline.sources._entries import TOLD, content, content_stamp
from pipeline.sources._listing import LOCKED
from pipeline.sources._shard import Entry, Growing, Listing, Pick, Shard

Row = tuple[int, int, int, int]
"""Of a list: name, stamp, chunk, kind."""


@dataclass
class News:
    """What a new list would say, and counts for a person."""

    found: list[Found] = field(default_factory=list)
    gone: int = 0  # of all members that were ever listed, how many are not there
    changed: list[str] = field(default_factory=list)  # paths of those whose edits are out of date


def look(
    config: RunConfig,
    source: Any,
    listing: Listing,
    output: Output,
    progress: Progress,
    known: Lists,
) -> News:
    """What is new since the lists so far.

    Raises UsageError where edited members changed and `run.changed` is to refuse them, and where
    what is not seen would be taken for gone.
    """
    news = News()
    look = _Look(config, source, output, progress, known, news)
    for shard in listing.shards:
        head = known.heads.get(shard.path)
        if head and head.version == shard.version and not (head.gone and look.drops):
            news.gone += head.gone
        elif head:
            look.compare(shard, head)
        elif not progress.begun(shard.path):
            look.begin(shard)
        else:
            look.adopt(shard)
    there = {shard.path for shard in listing.shards}
    for head in [head for path, head in known.heads.items() if path not in there]:
        look.vanished(head)
    if news.changed and config.run.changed == "refuse":
        raise _refused(output, news.changed)
    unseen = sum(count for why, count in _counts(listing) if why.startswith(LOCKED))
    if unseen and news.found and config.run.gone == "drop":
        raise UsageError(
            f"{config.input.path}: {unseen} places there cannot be looked at, and run.gone: drop "
            "would take their edits out; make them readable, or say run.gone=keep"
        )
    return news


@dataclass(frozen=True)
class _Look:
    config: RunConfig
    source: Growing
    output: Output
    progress: Progress
    lists: Lists
    news: News

    @property
    def grows(self) -> bool:
        """Whether a look tells of the shards' members."""
        return getattr(self.source, "grows", False)

    @property
    def drops(self) -> bool:
        """Whether edits of what is gone are to go."""
        return self.config.run.gone == "drop"

    def begin(self, shard: Shard) -> None:
        """A shard that nothing is committed of: what does not grow needs no list."""
        if self.grows:
            entries = self._entries(shard)
            self._note(Head(shard.path, shard.version), self._added(0, 0, entries))

    def adopt(self, shard: Shard) -> None:
        """A shard that was begun without a list: it has one where it grows, or was replaced.

        One that is not finished can only go on as it was, so it is left without.
        """
        if self.grows and self.progress.finished(shard):
            self._adopt_listed(shard)
        elif not self.grows and self._replaced(shard):
            self._adopt_read(shard)

    def _replaced(self, shard: Shard) -> bool:
        finished = self.progress.whole(shard.path)
        return finished and self.progress.version(shard.path) != shard.version

    def _adopt_listed(self, shard: Shard) -> None:
        entries = self._entries(shard)[: self.config.run.limit]
        chunk_of = {row: r.chunk for r in self._records(shard.path) for row in unrolled(r.ordinals)}
        if len(chunk_of) != len(entries):  # some have several rows
            skip, numbers = max(0, len(chunk_of) - len(entries)), [OLD] * len(entries)
        else:
            skip, numbers = 0, [chunk_of[number] for number in sorted(chunk_of)]
        head = Head(shard.path, shard.version, 0, max(chunk_of.values()) + 1, 0, skip)
        named = zip(entries, numbers, strict=True)
        self._note(head, [(entry.name, entry.stamp, chunk, ADOPTED) for entry, chunk in named])

    def _adopt_read(self, shard: Shard) -> None:
        """As it was when it was edited, from the records, for its file is another now."""
        rows: dict[int, Row] = {}
        for record in self._records(shard.path):
            for place, member in record.members.items():
                name, stamp = int(member[:16], 16), content_stamp(member[16:])
                rows[place] = name, stamp, record.chunk, ADOPTED
            if len(record.members) != record.rows:
                return  # of a version that kept none: refused as it was
        chunks = max(chunk for _, _, chunk, _ in rows.values()) + 1
        version = self.progress.version(shard.path) or ""
        self._note(Head(shard.path, version, 0, chunks), [rows[place] for place in sorted(rows)])

    def _records(self, path: str) -> list[Commit]:
        shard_id, chunks = layout.shard_id(path), self.progress.committed(path)
        names = [self.progress.latest(shard_id, chunk) for chunk in chunks]
        return list(read_all(self.output, names))

    def compare(self, shard: Shard, head: Head) -> None:
        """A shard whose listing is another than it was."""
        known = self.lists.known(shard.path)
        entries = self._entries(shard)
        places = known.places(np.array([entry.name for entry in entries], np.uint64))
        seen = [(int(p), e) for p, e in zip(places, entries, strict=True) if p >= 0]
        # A table may still name a picture that went.
        there = [(p, e) for p, e in seen if e.stamp != TOLD or known.stamps[p] == TOLD]
        fresh = [e for p, e in zip(places, entries, strict=True) if p < 0]
        missing = np.setdiff1d(np.arange(len(known.names)), [p for p, _ in there])
        other = [(p, e) for p, e in there if known.stamps[p] != e.stamp]
        rows = [
            *self._amended(shard, known, head, other),
            *self._missing(shard.path, known, missing),
            *self._added(len(known.names), head.chunks, fresh),
        ]
        self._note(replace(head, version=shard.version, gone=len(missing)), rows, head)

    def vanished(self, head: Head) -> None:
        """A shard that is not there."""
        known = self.lists.known(head.path)
        missing = np.arange(len(known.names))
        rows = list(self._missing(head.path, known, missing))
        self._note(replace(head, version="", gone=len(missing)), rows, head)

    def _note(self, head: Head, rows: Sequence[Row], before: Head | None = None) -> None:
        self.news.gone += head.gone
        if head == before and not rows:
            return
        added = [row for row in rows if row[3] in (ADDED, ADOPTED)]
        chunks = max([head.chunks, *(chunk + 1 for _, _, chunk, _ in added)])
        due = any(kind in (AGAIN, DROPPED) for _, _, _, kind in rows)
        head = replace(
            head,
            positions=head.positions + len(added),
            chunks=chunks,
            amended=head.amended or due,
        )
        self.news.found.append(Found(head, _batch(rows)))

    def _entries(self, shard: Shard) -> list[Entry]:
        if self.grows:
            return self.source.entries(shard)
        return read_entries(self.source, shard)

    def _added(self, members: int, chunk: int, fresh: list[Entry]) -> list[Row]:
        limit = self.config.run.limit
        fresh = fresh if limit is None else fresh[: max(0, limit - members)]
        chunks = filling(self.config)
        return [(e.name, e.stamp, chunk + chunks.add(e.size), ADDED) for e in fresh]

    def _missing(self, path: str, known: Known, places: npt.NDArray[Any]) -> Iterator[Row]:
        """Those that are gone, where anything is to be done about it."""
        shard_id = layout.shard_id(path)
        for place in places:
            chunk = int(known.chunks[place])
            if known.stamps[place] == GONE or chunk == OLD:
                continue
            if self.drops or not self.progress.knows(ChunkName(shard_id, chunk)):
                yield int(known.names[place]), GONE, chunk, DROPPED

    def _amended(
        self, shard: Shard, known: Known, head: Head, seen: list[tuple[int, Entry]]
    ) -> Iterator[Row]:
        """Those whose stamp is another: touched, or really another content."""
        before = self._committed(shard, known, head, seen)
        picks = [Pick(0, p, e.name, e.stamp, 0) for p, e in seen if before.get(p)]
        now = self._read(replace(shard, picks=tuple(picks))) if picks else {}
        for place, entry in seen:
            chunk, was = int(known.chunks[place]), before.get(place)
            same = was is not None and was == now.get(place)
            if was is not None and not same:
                self.news.changed.append(f"{shard.path}/{entry.key}".removeprefix("./"))
            if chunk == OLD:
                raise _refused(self.output, self.news.changed, old=True)
            yield entry.name, entry.stamp, chunk, SAME if same else AGAIN

    def _committed(
        self, shard: Shard, known: Known, head: Head, seen: list[tuple[int, Entry]]
    ) -> dict[int, str]:
        """Digest of the committed content of each of these members that has one; "": not known."""
        shard_id, found = layout.shard_id(shard.path), dict[int, str]()
        records: dict[int, Commit | None] = {}
        for place, _ in seen:
            chunk = int(known.chunks[place])
            if known.stamps[place] in (GONE, TOLD) and chunk != OLD:
                continue
            if chunk == OLD:
                found[place] = ""
                continue
            if chunk not in records:
                records[chunk] = newest(self.output, ChunkName(shard_id, chunk))
            record = records[chunk]
            member = record and record.members.get(place + head.skip, " " * 16)
            if member and (len(member) > 16 or not member.strip()):
                found[place] = member[16:]
        return found

    def _read(self, shard: Shard) -> dict[int, str]:
        members = read_members(self.source, shard)
        return {p: content(rows) for p, rows in groupby(members, lambda m: m.ordinal % RANK)}


def _batch(rows: Sequence[Row]) -> pa.RecordBatch:
    columns = list(zip(*rows, strict=True)) or [()] * len(lists.SCHEMA)
    arrays = [pa.array(c, f.type) for c, f in zip(columns, lists.SCHEMA, strict=True)]
    return pa.record_batch(arrays, schema=lists.SCHEMA)


def _counts(listing: Listing) -> Iterator[tuple[str, int]]:
    return ((why, sum(counts.values())) for why, counts in listing.passed.endings.items())


def _refused(output: Output, changed: Sequence[str], old: bool = False) -> UsageError:
    listed = ", ".join(sorted(changed)[:3]) + (", …" if len(changed) > 3 else "")
    what = (
        "the output was made before such changes were kept track of: put them back, or use another "
        "output.path"
        if old
        else "run.changed=again edits them once more in place of the old edits; or put them back"
    )
    return UsageError(
        f"{output.path}: {len(changed)} pictures changed since they were edited ({listed}); {what}"
    )
