"""Names of everything in an output folder. Knows no content and touches no storage.

    edits/{run}-{shard_id}-{chunk:05d}-r{generation}-{token}.parquet       living rows
    webdataset/….tar                                        the same, as WebDataset samples
    rejected/….parquet                                      edits outside of a bound, whole
    dead/….parquet                                          dead letters
    card/{id}.jpg                                           edits that README.md shows
    _state/run.json                                         what the run is
    _state/model.json                                       digest of the weights that edit
    _state/shards/{shard_id}.json                           the shard's path and version
    _state/columns.arrow                                    the input's columns, see inputs.py
    _state/lists/{n:05d}.arrow                              members of growing shards, see lists.py
    _state/bounds/{n:05d}.json                              bounds decided on since, see bounds.py
    _state/commits/{shard_id}/{chunk:05d}-r{generation}.json    commit record, written last

The parts of a split have its name at the end of theirs, before the extension.

A file of a part has a name that no other attempt gives (its token is random), so nothing that is
committed is ever written over; a record alone says which files count. A record's name says no more
than what it is for, so that of several writers of one chunk exactly one can create it.
"""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass
from hashlib import blake2b

STATE = "_state"
RUN = f"{STATE}/run.json"
COMMITS = f"{STATE}/commits"
MODEL = f"{STATE}/model.json"
REPORT = "report.html"
SHARDS = f"{STATE}/shards"
COLUMNS = f"{STATE}/columns.arrow"
LISTS = f"{STATE}/lists"
BOUNDS = f"{STATE}/bounds"
PARTS = {"edits": "parquet", "webdataset": "tar", "rejected": "parquet", "dead": "parquet"}
"""Folder of each kind of part → its extension."""

SHOWN = "card"

_SHARD_ID = r"(?P<shard_id>[a-z0-9-]+-[0-9a-f]{24})"
_PLACE = r"(?P<chunk>\d{5,})-r(?P<generation>\d+)"
_PART = re.compile(
    rf"(?P<run>[0-9a-f]{{8}})-{_SHARD_ID}-{_PLACE}-(?P<token>[0-9a-f]{{12}})"
    r"(?:-(?P<split>[A-Za-z0-9_]+))?\.(?:parquet|tar)"
)
_COMMIT = re.compile(rf"{_SHARD_ID}/{_PLACE}\.json")
_SHOWN = re.compile(r"[0-9a-f]{8}-\w+-\w+-[0-9a-f]{24}\.jpg", re.ASCII)
# Readers that guess the splits of a folder would take these out of the name of an input shard.
_SPLIT_WORDS = re.compile("train|test|valid|val|dev|eval", re.IGNORECASE)


@dataclass(frozen=True, order=True)
class ChunkName:
    """A chunk of a shard, and which record of it: 0 the run's own, then one a replay."""

    shard_id: str
    chunk: int
    generation: int = 0


@dataclass(frozen=True)
class PartName(ChunkName):
    """What a part's file name says."""

    run: str = ""
    token: str = ""
    split: str = ""


def shard_id(path: str) -> str:
    """A short name of a shard that no other shard has."""
    words = _SPLIT_WORDS.sub("x", path)
    stem = re.sub(r"[^A-Za-z0-9]+", "-", words).strip("-")[-24:].strip("-").lower()
    return f"{stem or 'shard'}-{digest(path)}"


def token() -> str:
    """What tells one attempt's files from any other's."""
    return uuid.uuid4().hex[:12]


def part_path(kind: str, run: str, name: ChunkName, token: str, split: str = "") -> str:
    """Path of a part below the output folder; `kind` is one of `PARTS`."""
    end = f"{token}-{split}" if split else token
    return f"{kind}/{run}-{name.shard_id}-{_place(name)}-{end}.{PARTS[kind]}"


def files_of_split(kind: str, split: str) -> str:
    """Pattern of the parts of a split; of all where it is ""."""
    return f"{kind}/*{f'-{split}' if split else ''}.{PARTS[kind]}"


def empty_part(kind: str, split: str) -> str:
    """Path of a part of no rows, so that the pattern always finds one."""
    return files_of_split(kind, split).replace("*", "schema")


def shown_path(sample_id: str) -> str:
    """Path of the picture of an edit that the card shows."""
    return f"{SHOWN}/{sample_id}.jpg"


def is_shown(name: str) -> bool:
    """Whether a file in `SHOWN` is the picture of an edit."""
    return _SHOWN.fullmatch(name) is not None


def commit_path(name: ChunkName) -> str:
    """Path of a chunk's commit record below the output folder."""
    return f"{COMMITS}/{name.shard_id}/{_place(name)}.json"


def pin_path(shard_id: str) -> str:
    """Path of what says which shard the id is of, and of which version its chunks are."""
    return f"{SHARDS}/{shard_id}.json"


def list_path(number: int) -> str:
    """Path of a frozen list of members, from 1 on."""
    return f"{LISTS}/{number:05d}.arrow"


def bounds_path(number: int, of: str = "") -> str:
    """Path of bounds that were decided on, from 1 on; `of` is "-done" of the note of their end."""
    return f"{BOUNDS}/{number:05d}{of}.json"


def _place(name: ChunkName) -> str:
    return f"{name.chunk:05d}-r{name.generation}"


def parse_commit(name: str) -> ChunkName | None:
    """The name of a record relative to `COMMITS`; None where it is none (a temporary file)."""
    found = _COMMIT.fullmatch(name)
    return ChunkName(*_chunk(found)) if found else None


def parse_part(name: str) -> PartName | None:
    """What a part's file name says; None where it is none."""
    found = _PART.fullmatch(name)
    return (
        PartName(*_chunk(found), found["run"], found["token"], found["split"] or "")
        if found
        else None
    )


def split_of(path: str) -> str:
    """The split that the part at `path` is of; "" where it is of none."""
    name = parse_part(path.rpartition("/")[2])
    return name.split if name else ""


def _chunk(found: re.Match[str]) -> tuple[str, int, int]:
    return found["shard_id"], int(found["chunk"]), int(found["generation"])


def sample_id(run: str, shard: str, key: str, edit: str) -> str:
    """The edit's name in this and any other output: the `id` column, and its WebDataset key.

    At most 87 letters, digits, `_` and `-`, the first a letter or digit; no dot, for WebDataset
    splits names at the first. What is readable in it is for people; that it is unique, though
    files' names may fold case, is the work of 96 bits of digest.
    """
    # With lengths, so that no two lists run together to one text.
    unique = digest("\0".join(f"{len(part)}:{part}" for part in (run, shard, key, edit)))
    return f"{run}-{_readable(key, 36)}-{_readable(edit, 16)}-{unique}"


def _readable(text: str, length: int) -> str:
    fit = re.sub(r"[^A-Za-z0-9]+", "_", text).strip("_")
    return fit[:length].strip("_") or "x"


def digest(text: str) -> str:
    """24 hex digits: of a billion texts two would share theirs once in 10¹¹ times."""
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()
