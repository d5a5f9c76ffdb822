"""Names of everything in an output folder. Knows no content and touches no storage.

    run.json                                                what the run is
    edits/{shard_id}-{chunk:05d}.parquet                    living rows
    webdataset/{shard_id}-{chunk:05d}.tar                   the same, as WebDataset samples
    dead/{shard_id}-{chunk:05d}.parquet                     dead letters
    commits/{shard_id}/{chunk:05d}-{version}[-last].json    commit record, written last

A part's name comes from (shard, chunk) alone, so that a retried task overwrites itself. A commit's
name says all that resume needs, so that no record is opened for it.
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

_PART = re.compile(r"(?P<shard_id>[A-Za-z0-9_-]+)-(?P<chunk>\d{5,})\.(?:parquet|tar)")
_COMMIT = re.compile(
    r"(?P<shard_id>[A-Za-z0-9_-]+)/(?P<chunk>\d{5,})-(?P<version>[A-Za-z0-9_]+)"
    r"(?P<last>-last)?\.json"
)


def shard_id(path: str) -> str:
    """A short name of a shard that no other shard has."""
    stem = re.sub(r"[^A-Za-z0-9_-]+", "-", path).strip("-")[-48:]
    return f"{stem or 'shard'}-{_digest(path)}"


def version_id(version: str) -> str:
    """A shard's version as it stands in a commit's name."""
    return safe(version).replace("-", "_")


def part_path(kind: str, shard_id: str, chunk: int) -> str:
    """Path of a part below the output folder; `kind` is one of `PARTS`."""
    return f"{kind}/{shard_id}-{chunk:05d}.{PARTS[kind]}"


def commit_path(chunk: Chunk) -> str:
    """Path of a chunk's commit record below the output folder."""
    last = "-last" if chunk.last else ""
    name = f"{chunk.index:05d}-{version_id(chunk.shard_version)}{last}.json"
    return f"{COMMITS}/{shard_id(chunk.shard)}/{name}"


@dataclass(frozen=True)
class CommitName:
    """What a commit record's name says."""

    shard_id: str
    chunk: int
    version: str  # as version_id gives it
    last: bool


def parse_commit(name: str) -> CommitName | None:
    """The name of a record relative to `commits/`; None where it is none (a temporary file)."""
    found = _COMMIT.fullmatch(name)
    if not found:
        return None
    last = found["last"] is not None
    return CommitName(found["shard_id"], int(found["chunk"]), found["version"], last)


def parse_part(name: str) -> tuple[str, int] | None:
    """(shard id, chunk) of a part's file name; None where it is none."""
    found = _PART.fullmatch(name)
    return (found["shard_id"], int(found["chunk"])) if found else None


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
