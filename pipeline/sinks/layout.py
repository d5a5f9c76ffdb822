"""Names of everything in an output folder. Knows no content and touches no storage.

    run.json                                                what the run is
    edits/{shard_id}-{chunk:05d}.parquet                    living rows
    webdataset/{shard_id}-{chunk:05d}.tar                   the same, as WebDataset samples
    dead/{shard_id}-{chunk:05d}.parquet                     dead letters
    commits/{shard_id}/{chunk:05d}-{version}[-last].json    commit record, written last

A part's name comes from (shard, chunk) alone, so that a retried task overwrites itself. A commit's
name says all that resume needs, so that no record is opened for it. What replay n makes of dead
letters has the chunk's names with `-r{n}` behind the shard id.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from hashlib import blake2b

from pipeline.rows import Chunk

RUN = "run.json"
COMMITS = "commits"
PARTS = {"edits": "parquet", "webdataset": "tar", "dead": "parquet"}
"""Folder of each kind of part → its extension."""

_ID = r"(?P<shard_id>[A-Za-z0-9_-]+-[0-9a-f]{8})(?:-r(?P<replay>\d+))?"
_PART = re.compile(_ID + r"-(?P<chunk>\d{5,})\.(?:parquet|tar)")
_COMMIT = re.compile(_ID + r"/(?P<chunk>\d{5,})-(?P<version>[A-Za-z0-9_]+)(?P<last>-last)?\.json")


@dataclass(frozen=True)
class PartName:
    """What a part's file name says."""

    shard_id: str
    chunk: int
    replay: int  # 0: the run itself


@dataclass(frozen=True)
class CommitName(PartName):
    """What a commit record's name says."""

    version: str  # as version_id gives it
    last: bool


def shard_id(path: str) -> str:
    """A short name of a shard that no other shard has."""
    stem = re.sub(r"[^A-Za-z0-9_-]+", "-", path).strip("-")[-48:]
    return f"{stem or 'shard'}-{_digest(path)}"


def version_id(version: str) -> str:
    """A shard's version as it stands in a commit's name."""
    return safe(version).replace("-", "_")


def part_path(kind: str, chunk: Chunk, replay: int = 0) -> str:
    """Path of a part below the output folder; `kind` is one of `PARTS`."""
    return f"{kind}/{_stem(chunk, replay)}-{chunk.index:05d}.{PARTS[kind]}"


def commit_path(chunk: Chunk, replay: int = 0) -> str:
    """Path of a chunk's commit record below the output folder."""
    last = "-last" if chunk.last else ""
    name = f"{chunk.index:05d}-{version_id(chunk.shard_version)}{last}.json"
    return f"{COMMITS}/{_stem(chunk, replay)}/{name}"


def _stem(chunk: Chunk, replay: int) -> str:
    return shard_id(chunk.shard) + (f"-r{replay}" if replay else "")


def parse_commit(name: str) -> CommitName | None:
    """The name of a record relative to `commits/`; None where it is none (a temporary file)."""
    found = _COMMIT.fullmatch(name)
    if not found:
        return None
    return CommitName(*_part(found), found["version"], found["last"] is not None)


def parse_part(name: str) -> PartName | None:
    """What a part's file name says; None where it is none."""
    found = _PART.fullmatch(name)
    return PartName(*_part(found)) if found else None


def _part(found: re.Match[str]) -> tuple[str, int, int]:
    return found["shard_id"], int(found["chunk"]), int(found["replay"] or 0)


def sample_id(shard: str, key: str, edit: str) -> str:
    """The edit's name in the whole output: the `id` column, and the key of its WebDataset sample.

    Only letters, digits, `_`, `-` and two `/`: no dots, for WebDataset splits names at the first.
    """
    return f"{shard_id(shard)}/{safe(key)}/{safe(edit)}"


def safe(text: str) -> str:
    """`text` where it is fit for a file name; else what is fit of it and a digest of the whole.

    Two texts never give one name: a text that looks as if it had a digest gets one more.
    """
    fit = re.sub(r"[^A-Za-z0-9_-]", "_", text)
    if fit == text and 0 < len(text) <= 64 and not re.search(r"_[0-9a-f]{8}$", text):
        return text
    return f"{fit[-48:]}_{_digest(text)}"


def _digest(text: str) -> str:
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=4).hexdigest()
