"""Members of a committed chunk that changed or went: its next generation. Knows no stage.

One record takes the old rows of these members out and puts the new ones in, so that nobody ever
reads both, or neither. Ids that were removed for good (`remove.py`) stay so.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection
from typing import Any

from pipeline import storage
from pipeline.errors import RunError
from pipeline.rows import RANK, SPENT, Chunk, Listed, name_digest
from pipeline.sinks import layout
from pipeline.sinks.commits import Commit, create_commit, newest
from pipeline.sinks.files import Files
from pipeline.sinks.layout import ChunkName
from pipeline.sinks.lease import check_held
from pipeline.sinks.output import Output
from pipeline.sinks.pins import pin
from pipeline.sinks.runs import Runs, runs, unrolled
from pipeline.sinks.without import keys, without

_FURTHER = re.compile(r"[#~]\d+$")


def superseding(output: Output, before: Commit, new: Commit) -> Commit:
    """`before` with what `new` made of its members in place of what it had of them."""
    attempt = Files(output, new.name)  # with another token than the new files have
    known, mine = _names(before) | _names(new), _names(new)
    ids = [name for name, key in keys(output, before) if _member(key, known) in mine]
    left = before.model_copy(update=without(output, before, ids, attempt))
    places = new.members.keys()
    ordinals = _other(before.ordinals, places, new.ordinals)
    passed = _other(before.passed_ordinals, places, new.passed_ordinals)
    sums = ("written", "rejected", "dead", "near_duplicates", *SPENT)
    more: dict[str, Any] = {name: getattr(left, name) + getattr(new, name) for name in sums}
    return new.model_copy(
        update={
            **more,
            "last": before.last,
            "planned": more["written"] + more["rejected"] + more["dead"] + before.removed,
            "rejected_by": dict(Counter(left.rejected_by) + Counter(new.rejected_by)),
            "bounds": before.bounds,
            "removed_ids": before.removed_ids,
            "rows": len(unrolled(ordinals)),
            "ordinals": ordinals,
            "passed": len(unrolled(passed)),
            "passed_ordinals": passed,
            "dead_ordinals": _other(before.dead_ordinals, places, new.dead_ordinals),
            "dead_by_kind": dict(Counter(left.dead_by_kind) + Counter(new.dead_by_kind)),
            "files": [*left.files, *new.files],
            "members": {**before.members, **new.members},
            "passed_over": before.passed_over,
        }
    )


def retire(output: Output, chunk: Chunk, listed: Listed) -> None:
    """Commits a chunk all of whose listed members are gone, as far as they are due.

    Raises RunError where another writer changed the chunk meanwhile, or took over.
    """
    with storage.explained(output.path, "commit what is gone", raising=RunError):
        name = ChunkName(layout.shard_id(chunk.shard), chunk.index)
        before = newest(output, name)
        if before and before.as_of >= listed.as_of:
            return
        nothing = _nothing(output, chunk, listed, before.generation + 1 if before else 0)
        commit = superseding(output, before, nothing) if before else nothing
        check_held(output)
        pin(output, chunk, listed=True)
        if not create_commit(output, commit):
            raise RunError(f"{output.path}: another writer changed a chunk; this one stops")


def _nothing(output: Output, chunk: Chunk, listed: Listed, generation: int) -> Commit:
    none: dict[str, Any] = dict.fromkeys(("rows", "planned", "written", "dead", "passed"), 0)
    none |= {"ordinals": [], "dead_ordinals": [], "dead_by_kind": {}, "files": []}
    return Commit(
        shard=chunk.shard,
        shard_version=chunk.shard_version,
        chunk=chunk.index,
        generation=generation,
        last=chunk.last,
        fingerprint=output.fingerprint,
        as_of=listed.as_of,
        members=listed.members,
        **none,
    )


def _names(commit: Commit) -> set[int]:
    return {int(member[:16], 16) for member in commit.members.values()}


def _member(key: str, known: Collection[int]) -> int:
    """Name of the member that a row is of: its own key, or what a picture's rows have in common."""
    name = name_digest(key)
    return name if name in known else name_digest(_FURTHER.sub("", key))


def _other(before: Runs, places: Collection[int], new: Runs) -> Runs:
    kept = {number for number in unrolled(before) if number % RANK not in places}
    return runs(sorted(kept | unrolled(new)))
