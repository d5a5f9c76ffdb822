"""What a look at a folder tells of each of its members, so that a change is seen without reading.

Knows names and what is said beside them, no storage.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from pipeline.rows import GONE, name_digest
from pipeline.sources import _text
from pipeline.sources._beside import CAPTIONS, Beside
from pipeline.sources._files import Info, exact
from pipeline.sources._shard import Entry, Member

TOLD = GONE + 1
"""Stamp of what a table names and the folder lacks."""


@dataclass
class Named:
    """What one key stands for: as a rule one picture."""

    pictures: list[str] = field(default_factory=list)
    told: list[Member] = field(default_factory=list)  # rows of tables that name no picture


def named(beside: Beside) -> dict[str, Named]:
    """Key → what it stands for, in the order of the members."""
    found: defaultdict[str, Named] = defaultdict(Named)
    for picture in beside.pictures:
        found[_text.key(picture)].pictures.append(picture)
    for member in beside.told:
        found[member.key].told.append(member)
    return found


def entries(files: Mapping[str, Info], beside: Beside) -> Iterator[Entry]:
    """Every member of a folder, in order."""
    sidecars = [end for end in (*CAPTIONS, ".json") if any(n.lower().endswith(end) for n in files)]
    for key, what in named(beside).items():
        size = sum(int(files[name]["size"]) for name in what.pictures)
        yield Entry(key, name_digest(key), stamp(what, files, beside, sidecars), size)


def stamp(
    what: Named,
    files: Mapping[str, Info],
    beside: Beside,
    sidecars: Iterable[str] = (*CAPTIONS, ".json"),
) -> int:
    """32 bits that change where the picture, its sidecars or its rows of tables do."""
    if not what.pictures:
        return TOLD
    parts = [part for name in what.pictures for part in _parts(name, files, beside, sidecars)]
    digest = hashlib.blake2b("\n".join(parts).encode("utf-8", "surrogateescape"), digest_size=4)
    return max(TOLD + 1, int.from_bytes(digest.digest()))


def _parts(
    name: str, files: Mapping[str, Info], beside: Beside, sidecars: Iterable[str]
) -> Iterator[str]:
    yield exact(files[name])
    for ending in sidecars:
        if found := beside.sidecar(name, ending):
            yield f"{ending} {exact(files[found])}"
    for mask in beside.masks(name):
        yield f"mask {exact(files[mask])}"
    rows = beside.rows.get(name)
    if rows:
        yield json.dumps(rows, sort_keys=True, default=str)
    elif beside.broken:  # what a picture without a caption then dies of
        yield beside.broken.message


def content(members: Iterable[Member]) -> str:
    """16 hex digits of all that was read of one entry: pictures, masks, captions and columns."""
    digest = hashlib.blake2b(digest_size=8)
    for member in members:
        error = member.error and [member.error.kind, member.error.message]
        said = json.dumps([member.key, member.caption, member.columns, error], sort_keys=True)
        for part in (said.encode("utf-8", "surrogateescape"), member.image or b""):
            digest.update(len(part).to_bytes(8))
            digest.update(part)
        for name, mask in (("mask", member.mask), ("protect", member.protect)):
            if mask is not None:
                digest.update(f"{name} {len(mask)} ".encode() + mask)
    return digest.hexdigest()


def content_stamp(digest: str) -> int:
    """The stamp of a member of which nothing is known before it is read: of its `content`."""
    return max(TOLD + 1, int(digest[:8], 16))
