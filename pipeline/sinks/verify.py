"""Checks a whole output: every part opens, counts add up, checksums hold. Changes nothing.

Streams: it holds one part at a time, of its shard 8 bytes an edit, and of the rest bitmaps of
chunks and ordinals.
"""

from __future__ import annotations

import tarfile
from array import array
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from itertools import pairwise

import numpy as np
import pyarrow as pa
from pyroaring import BitMap64 as BitMap  # a picture may have more rows than one, see rows.RANK

from pipeline import storage
from pipeline.rows import RANK
from pipeline.sinks import bounds, parquet, webdataset
from pipeline.sinks.commits import (
    Commit,
    PartFile,
    Progress,
    load_progress,
    newest,
    read_commits,
    read_each,
)
from pipeline.sinks.output import Output
from pipeline.sinks.sweep import leftovers, orphans


@dataclass
class Verification:
    """What was found: sums over the commit records, what is wrong, and what is only untidy."""

    chunks: int = 0
    rows: int = 0
    planned: int = 0
    written: int = 0
    rejected: int = 0
    dead: int = 0
    removed: int = 0
    passed: int = 0
    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def line(self) -> str:
        """One line for a person."""
        state = _number(len(self.problems), "problem") if self.problems else "all well"
        untidy = f", {_number(len(self.warnings), 'warning')}" if self.warnings else ""
        rejected = f"rejected {self.rejected:,}, " if self.rejected else ""
        removed = f"removed {self.removed:,}, " if self.removed else ""
        return (
            f"{_number(self.chunks, 'chunk')} of {_number(self.rows, 'row')}: "
            f"planned {self.planned:,}, "
            f"written {self.written:,}, {rejected}dead {self.dead:,}, {removed}"
            f"passed {self.passed:,}; {state}{untidy}"
        )


def _number(count: int, thing: str) -> str:
    return f"{count:,} {thing}{'s' if count != 1 else ''}"


def verify(output: Output) -> Verification:
    """Reads every committed file once. A problem names the file; a warning needs no repair.

    Raises RunError where the output cannot be read at all.
    """
    found = Verification()
    progress = load_progress(output, strict=False)  # what is damaged is told below
    ordinals: dict[str, BitMap] = defaultdict(BitMap)
    ids = _Ids()
    with storage.explained(output.path, "verify"):
        for commit in read_commits(output, found.problems):
            here: list[str] = []
            damage = list(file_problems(output, commit, here))
            if damage:
                # A replay may have superseded the record, and its files, since it was read.
                commit = newest(output, commit.name) or commit
                here.clear()
                damage = list(file_problems(output, commit, here))
            _count(found, commit)
            found.problems += ids.of_shard(commit.shard)
            ids.add(here)
            problems = [
                *_record(output, commit),
                *damage,
                *_seen(commit, ordinals[commit.shard]),
                *_members(commit),
                *_broken_chain(output, commit, found.problems),
            ]
            found.problems += [f"{commit.shard} chunk {commit.chunk}: {p}" for p in problems]
            ordinals[commit.shard] |= BitMap(_gone(commit))  # no gaps
        found.problems += [*ids.of_shard(""), *_gaps(progress, ordinals)]
        untidy = leftovers(output, progress)
        found.warnings += [f"{path}: left over; the next run removes it" for path in untidy]
        found.warnings += [f"{path}: {_ORPHAN}" for path in orphans(output, progress)]
    if not bounds.in_force(output).done:
        found.warnings.append("a recheck did not end; `diffedit recheck` or the next run goes on")
    found.warnings += [f"{shard}: not finished" for shard in progress.unfinished()]
    return found


def _count(found: Verification, commit: Commit) -> None:
    found.chunks += 1
    for name in ("rows", "planned", "written", "rejected", "dead", "removed", "passed"):
        setattr(found, name, getattr(found, name) + getattr(commit, name))


def _record(output: Output, commit: Commit) -> Iterator[str]:
    # A replay may have other settings: they are what mended its rows.
    if not commit.generation and commit.fingerprint != output.fingerprint:
        yield f"fingerprint {commit.fingerprint}, but the run's is {output.fingerprint}"
    ended = {name: getattr(commit, name) for name in ("written", "rejected", "dead", "removed")}
    if commit.planned != sum(ended.values()):
        told = ", ".join(f"{name} {count}" for name, count in ended.items() if count)
        yield f"planned {commit.planned}, {told or 'nothing written'}"
    if sum(commit.rejected_by.values()) != commit.rejected:
        yield f"{commit.rejected} edits rejected, but by bound {commit.rejected_by}"
    if sum(commit.dead_by_kind.values()) != commit.dead:
        yield f"{commit.dead} dead letters, but by kind {commit.dead_by_kind}"
    if len(_bitmap(commit.ordinals)) != commit.rows:
        yield f"{commit.rows} rows, but {len(_bitmap(commit.ordinals))} ordinals"


def _seen(commit: Commit, seen: BitMap) -> Iterator[str]:
    own = _bitmap(commit.ordinals)
    if own & seen:
        yield f"rows {list(own & seen)[:5]} are committed in another chunk too"
    seen |= own


def _gone(commit: Commit) -> Iterator[int]:
    """Positions of the listed members that were not there any more."""
    return (place for place, member in commit.members.items() if len(member) == 16)


def _members(commit: Commit) -> Iterator[str]:
    """What is wrong with what a record says of its members (old ones lack those of long ago)."""
    there = {ordinal % RANK for ordinal in _bitmap(commit.ordinals)}
    gone = set(_gone(commit))
    if commit.members.keys() - there != gone:
        yield "its rows are not those of the members that it names"


_ORPHAN = (
    "its chunk has no record, so a run is at work on it or was killed; the run that commits the "
    "chunk removes it, and where the shard is gone for good `diffedit verify --repair` moves it out"
)


def _broken_chain(output: Output, commit: Commit, damaged: list[str]) -> Iterator[str]:
    """What a generation lost of the one before it."""
    names = [replace(commit.name, generation=g) for g in range(commit.generation)]
    records = [found for _, found in read_each(output, names)]
    damaged += [str(found) for found in records if not isinstance(found, Commit)]
    whole = [found for found in records if isinstance(found, Commit)]
    for before, after in pairwise([*whole, commit]):
        if after.as_of > before.as_of:
            continue  # members changed or went, see `again.py`
        if after.bounds > before.bounds:  # a recheck's
            if _made(before) != _made(after) or before.dead != after.dead:
                yield f"recheck {after.generation} lost edits or rows"
            continue
        lost = {f.path for f in before.files if f.kind != "dead"} - {f.path for f in after.files}
        removal = after.removed > before.removed and after.planned == before.planned
        if (lost and not removal) or before.ordinals != after.ordinals:
            yield f"replay {after.generation} lost edits or rows"


def _made(commit: Commit) -> tuple[int, object]:
    return commit.written + commit.rejected, commit.ordinals


def _bitmap(runs: list[tuple[int, int]]) -> BitMap:
    return BitMap(number for first, last in runs for number in range(first, last + 1))


def _gaps(progress: Progress, ordinals: dict[str, BitMap]) -> Iterator[str]:
    unfinished = set(progress.unfinished())
    for shard, seen in ordinals.items():
        seen.remove_range(RANK, 1 << 62)  # a picture's further rows
        if shard not in unfinished and seen and len(seen) != seen.max() + 1:
            yield f"{shard}: finished, but {seen.max() + 1 - len(seen)} rows are missing"


class _Ids:
    """Of the shard at hand, 64 bits of each id: 8 bytes an edit, whatever the size of the output.

    Ids of two shards differ by their digests, which hold the shard's name.
    """

    def __init__(self) -> None:
        self._shard = ""
        self._seen = array("Q")

    def of_shard(self, shard: str) -> list[str]:
        """Problems of the shard before, once another one comes."""
        if shard == self._shard:
            return []
        doubled = len(self._seen) - len(np.unique(np.array(self._seen)))
        told = [f"{self._shard}: {doubled} ids name more than one row"] if doubled else []
        self._shard, self._seen = shard, array("Q")
        return told

    def add(self, names: Iterable[str]) -> None:
        """Ids of one chunk."""
        digests = (blake2b(name.lower().encode(), digest_size=8).digest() for name in names)
        self._seen.extend(int.from_bytes(digest) for digest in digests)


_CURE = (
    "put it back from a copy of the output, or `diffedit verify --repair` has the next run do the "
    "chunk again"
)


def file_problems(output: Output, commit: Commit, names: list[str] | None = None) -> Iterator[str]:
    """What is wrong with the files of one record; `names` takes in the ids that they hold."""
    living = {"parquet": "edits", "webdataset": "webdataset"}
    expected = {living[name]: commit.written for name in output.formats}
    expected |= {"rejected": commit.rejected, "dead": commit.dead}
    ids: dict[str, Counter[str]] = defaultdict(Counter)
    for file in commit.files:
        problem, there = _opened(output, file)
        if problem:
            yield f"{file.path}: {problem}; {_CURE}"
            return
        ids[file.kind] += there
    there = ids[next(iter(expected))] + ids["rejected"] + ids["dead"]
    if names is not None:
        names += there.elements()
    if removed := there.keys() & set(commit.removed_ids):
        yield f"{min(removed)} was removed, and is there"
    for kind, rows in expected.items():
        if ids[kind].total() != rows:
            yield f"{ids[kind].total()} rows in {kind}/, but the record says {rows}"
        elif kind != "dead" and rows and max(ids[kind].values()) > 1:
            yield f"an edit is in {kind}/ twice"
    if len(output.formats) > 1 and ids["edits"] != ids["webdataset"]:
        yield "edits/ and webdataset/ do not hold the same edits"


def _opened(output: Output, file: PartFile) -> tuple[str | None, Counter[str]]:
    try:
        data = storage.read(output.fs, f"{output.root}/{file.path}")
    except FileNotFoundError:
        return "missing", Counter()
    if len(data) != file.bytes:
        return f"{len(data)} bytes, but the record says {file.bytes}", Counter()
    if blake2b(data, digest_size=16).hexdigest() != file.blake2b:
        return "its content is not what was written (checksum)", Counter()
    try:
        ids = _OPEN[file.kind](data)
        wrong = ids.total() != file.rows
        return f"{ids.total()} rows, but the record says {file.rows}" if wrong else None, ids
    except (pa.ArrowException, tarfile.TarError, EOFError, KeyError, ValueError, OSError) as error:
        return f"cannot be opened ({error})", Counter()


def _row_ids(data: bytes) -> Counter[str]:
    return Counter(parquet.read(data, ["id"])["id"].to_pylist())


def _sample_ids(data: bytes) -> Counter[str]:
    ids: Counter[str] = Counter()
    shape = None
    for name, members in webdataset.samples(data):
        shape = shape or members.keys()
        if members.keys() != shape:
            raise ValueError(
                f"sample {name} has the members {sorted(members)}, not {sorted(shape)}"
            )
        ids[name] += 1
    return ids


_OPEN = {"edits": _row_ids, "webdataset": _sample_ids, "rejected": _row_ids, "dead": _row_ids}
