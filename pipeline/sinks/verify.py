"""Checks a whole output: every part opens, counts add up, checksums hold. Changes nothing.

Streams: it holds one part at a time, and of the rest bitmaps of chunks and ordinals.
"""

from __future__ import annotations

import tarfile
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from io import BytesIO
from itertools import pairwise

import pyarrow as pa
import pyarrow.parquet as pq
from pyroaring import BitMap

from pipeline import storage
from pipeline.sinks import layout
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
    dead: int = 0
    passed: int = 0
    problems: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def line(self) -> str:
        """One line for a person."""
        state = f"{len(self.problems)} problems" if self.problems else "all well"
        untidy = f", {len(self.warnings)} warnings" if self.warnings else ""
        return (
            f"{self.chunks:,} chunks of {self.rows:,} rows: planned {self.planned:,}, "
            f"written {self.written:,}, dead {self.dead:,}, passed {self.passed:,}; {state}{untidy}"
        )


def verify(output: Output) -> Verification:
    """Reads every committed file once. A problem names the file; a warning needs no repair.

    Raises RunError where the output cannot be read at all.
    """
    found = Verification()
    progress = load_progress(output, strict=False)  # what is damaged is told below
    ordinals: dict[str, BitMap] = defaultdict(BitMap)
    with storage.explained(output.path, "verify"):
        for commit in read_commits(output, found.problems):
            damage = list(file_problems(output, commit))
            if damage:
                # A replay may have superseded the record, and its files, since it was read.
                commit = newest(output, commit.name) or commit
                damage = list(file_problems(output, commit))
            _count(found, commit)
            problems = [
                *_record(output, commit),
                *damage,
                *_seen(commit, ordinals[commit.shard]),
                *_broken_chain(output, commit, found.problems),
            ]
            found.problems += [f"{commit.shard} chunk {commit.chunk}: {p}" for p in problems]
        found.problems += _gaps(progress, ordinals)
        untidy = leftovers(output, progress)
        found.warnings += [f"{path}: left over; the next run removes it" for path in untidy]
        found.warnings += [f"{path}: {_ORPHAN}" for path in orphans(output, progress)]
    found.warnings += [f"{shard}: not finished" for shard in progress.unfinished()]
    return found


def _count(found: Verification, commit: Commit) -> None:
    found.chunks += 1
    for name in ("rows", "planned", "written", "dead", "passed"):
        setattr(found, name, getattr(found, name) + getattr(commit, name))


def _record(output: Output, commit: Commit) -> Iterator[str]:
    # A replay may have other settings: they are what mended its rows.
    if not commit.generation and commit.fingerprint != output.fingerprint:
        yield f"fingerprint {commit.fingerprint}, but the run's is {output.fingerprint}"
    if commit.planned != commit.written + commit.dead:
        yield f"planned {commit.planned}, written {commit.written}, dead {commit.dead}"
    if sum(commit.dead_by_kind.values()) != commit.dead:
        yield f"{commit.dead} dead letters, but by kind {commit.dead_by_kind}"
    if len(_bitmap(commit.ordinals)) != commit.rows:
        yield f"{commit.rows} rows, but {len(_bitmap(commit.ordinals))} ordinals"


def _seen(commit: Commit, seen: BitMap) -> Iterator[str]:
    own = _bitmap(commit.ordinals)
    if own & seen:
        yield f"rows {list(own & seen)[:5]} are committed in another chunk too"
    seen |= own


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
        lost = {f.path for f in before.files if f.kind != "dead"} - {f.path for f in after.files}
        if lost or before.ordinals != after.ordinals:
            yield f"replay {after.generation} lost edits or rows"


def _bitmap(runs: list[tuple[int, int]]) -> BitMap:
    return BitMap(number for first, last in runs for number in range(first, last + 1))


def _gaps(progress: Progress, ordinals: dict[str, BitMap]) -> Iterator[str]:
    unfinished = set(progress.unfinished())
    for shard, seen in ordinals.items():
        if shard not in unfinished and len(seen) != seen.max() + 1:
            yield f"{shard}: finished, but {seen.max() + 1 - len(seen)} rows are missing"


_CURE = (
    "put it back from a copy of the output, or `diffedit verify --repair` has the next run do the "
    "chunk again"
)


def file_problems(output: Output, commit: Commit) -> Iterator[str]:
    """What is wrong with the files of one record."""
    expected = {"edits": commit.written, "dead": commit.dead}
    if output.webdataset:
        expected["webdataset"] = commit.written
    ids: dict[str, Counter[str]] = defaultdict(Counter)
    for file in commit.files:
        problem, there = _opened(output, file)
        if problem:
            yield f"{file.path}: {problem}; {_CURE}"
            return
        ids[file.kind] += there
    for kind, rows in expected.items():
        if ids[kind].total() != rows:
            yield f"{ids[kind].total()} rows in {kind}/, but the record says {rows}"
        elif kind != "dead" and rows and max(ids[kind].values()) > 1:
            yield f"an edit is in {kind}/ twice"
    if output.webdataset and ids["edits"] != ids["webdataset"]:
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
        return None, _OPEN[file.kind](data)
    except (pa.ArrowException, tarfile.TarError, EOFError, KeyError, ValueError, OSError) as error:
        return f"cannot be opened ({error})", Counter()


def _edit_ids(data: bytes) -> Counter[str]:
    return Counter(pq.read_table(BytesIO(data), columns=["id"])["id"].to_pylist())


def _dead_ids(data: bytes) -> Counter[str]:
    rows = pq.read_table(BytesIO(data), columns=["shard", "key", "edit"]).to_pylist()
    return Counter(layout.sample_id("", r["shard"], r["key"], r["edit"] or "") for r in rows)


def _sample_ids(data: bytes) -> Counter[str]:
    with tarfile.open(fileobj=BytesIO(data)) as tar:
        members = Counter(name.partition(".")[0] for name in tar.getnames())
    odd = [name for name, count in members.items() if count != 4]
    if odd:
        raise ValueError(f"sample {odd[0]} has {members[odd[0]]} members, not 4")
    return Counter(dict.fromkeys(members, 1))


_OPEN = {"edits": _edit_ids, "webdataset": _sample_ids, "dead": _dead_ids}
