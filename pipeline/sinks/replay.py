"""Dead letters → rows for the same stages, and which of them a replay leaves alone. Knows no stage.

A replay takes, chunk by chunk, the dead letters of chosen kinds and runs them again; `write_part`
commits what they became, with the chunk's other letters as they were and its edits, as the chunk's
next generation. Two replays of one chunk make the same generation, so one of them commits. Every
letter stands in exactly one current part or has become edits: what was planned stays accounted for
through any number of replays, killed ones too.

Letters of the stage `read` are never replayed: what could not be read is not in the letter.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator
from typing import Any

import pyarrow as pa

from pipeline.rows import EDIT_TYPE, PLAN_SCHEMA, READ_SCHEMA, SPENT, PassedOver, conform, where
from pipeline.sinks import dead
from pipeline.sinks.commits import Commit, read_commits
from pipeline.sinks.output import Output
from pipeline.sinks.runs import joined

Row = dict[str, Any]
_EDIT_FIELDS = [field.name for field in EDIT_TYPE]


def replayable(output: Output, kinds: Collection[str]) -> Iterator[Commit]:
    """The current records with dead letters of `kinds` (empty: of any kind)."""
    for commit in read_commits(output):
        if any(_wanted(*_split(reason), kinds) for reason in commit.dead_by_kind):
            yield commit


def unreadable(output: Output) -> int:
    """How many current letters are of the stage `read`, which no replay takes."""
    return sum(
        count
        for commit in read_commits(output)
        for reason, count in commit.dead_by_kind.items()
        if _split(reason)[0] == "read"
    )


def merged(before: Commit, after: Commit) -> Commit:
    """The chunk's whole state: what `after` made of the dead letters of `before`, and the rest."""
    sums = {
        name: getattr(before, name) + getattr(after, name)
        for name in ("written", "rejected", "near_duplicates", *SPENT)
    }
    living = [file for file in before.files if file.kind != "dead"]
    kept = ("rows", "ordinals", "last", "passed_over", "as_of", "members", "bounds")
    same = {name: getattr(before, name) for name in kept}
    passed = joined(before.passed_ordinals, after.passed_ordinals)
    return after.model_copy(
        update={
            **sums,
            **same,
            "planned": before.written + before.rejected + before.removed + after.planned,
            "rejected_by": dict(Counter(before.rejected_by) + Counter(after.rejected_by)),
            "removed_ids": before.removed_ids,
            "passed": before.passed + after.passed,
            "passed_ordinals": passed,
            "files": [*living, *after.files],
        }
    )


def since(before: Commit, after: Commit) -> Commit:
    """What became of the dead letters of `before`, as counts of their own."""
    sums = ("written", "rejected", "passed", *SPENT)
    more: dict[str, Any] = {name: getattr(after, name) - getattr(before, name) for name in sums}
    images = sum(last - first + 1 for first, last in before.dead_ordinals)
    planned = after.planned - before.written - before.rejected - before.removed
    by = dict(Counter(after.rejected_by) - Counter(before.rejected_by))
    counts = {"rows": images, "planned": planned, "removed_ids": [], "passed_over": PassedOver()}
    return after.model_copy(update={**more, **counts, "rejected_by": by})


def load(output: Output, commit: Commit, kinds: Collection[str]) -> tuple[pa.Table, pa.Table]:
    """The letters of `kinds` of one chunk, as images: (to be planned anew, planned before).

    READ_SCHEMA for images that never had a plan, PLAN_SCHEMA for those whose edits died. At least
    one is not empty.
    """
    unplanned: list[Row] = []
    planned: dict[int, Row] = {}
    edits: dict[int, list[Row]] = defaultdict(list)
    for letter in _letters(output, commit).to_pylist():
        if not _wanted(letter["error_stage"], letter["error_kind"], kinds):
            continue
        image = letter | dict.fromkeys(("error_stage", "error_kind", "error_message"))
        if letter["edit"] is None:
            unplanned.append(image)
        else:
            planned[letter["ordinal"]] = image
            edit = {name: letter.get(name) for name in _EDIT_FIELDS if name != "name"}
            edits[letter["ordinal"]].append({"name": letter["edit"], **edit})
    again = [
        {**image, "edits": edits[ordinal], "planned": len(edits[ordinal])}
        for ordinal, image in planned.items()
    ]
    return _table(unplanned, READ_SCHEMA), _table(again, PLAN_SCHEMA)


def untouched(output: Output, before: Commit, table: pa.Table) -> pa.Table:
    """The dead letters of `before` that `table` (what a replay made) does not speak of."""
    letters = _letters(output, before)
    made = set(zip(table["ordinal"].to_pylist(), table["edit"].to_pylist(), strict=True))
    images = {ordinal for ordinal, _ in made}
    names = letters.select(["ordinal", "edit"]).to_pylist()
    left = [
        name["ordinal"] not in images
        if name["edit"] is None
        else (name["ordinal"], name["edit"]) not in made
        for name in names
    ]
    return conform(where(letters, pa.array(left, pa.bool_())), table.schema)


def _letters(output: Output, commit: Commit) -> pa.Table:
    return pa.concat_tables(dead.read_part(output, file.path) for file in commit.files_of("dead"))


def _split(reason: str) -> tuple[str, str]:
    stage, _, kind = reason.partition("/")
    return stage, kind


def _wanted(stage: str, kind: str, kinds: Collection[str]) -> bool:
    return stage != "read" and (not kinds or kind in kinds)


def _table(rows: list[Row], schema: pa.Schema) -> pa.Table:
    kept = [{field.name: row.get(field.name) for field in schema} for row in rows]
    return pa.Table.from_pylist(kept, schema=schema)
