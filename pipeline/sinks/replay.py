"""Dead letters → rows for the same stages, and which of them a replay leaves alone. Knows no stage.

Replay n of an output takes, chunk by chunk, the dead letters of chosen kinds and runs them again;
`write_part` with `Output.replay = n` commits what they became under the chunk's name with `-r{n}`,
together with the chunk's other letters as they were. So that record supersedes the whole dead part
before it, whose file the sweep then removes, and names alone say which letters are current. Every
letter stands in exactly one current part or has become edits: `planned == written + dead` holds
through any number of replays, killed ones too (the next takes a new number and finds what is still
dead).

Letters of the stage `read` are never replayed: what could not be read is not in the letter.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from typing import Any

import pyarrow as pa

from pipeline.rows import EDIT_TYPE, PLAN_SCHEMA, READ_SCHEMA, Chunk, conform
from pipeline.sinks import dead
from pipeline.sinks.commits import Commit, find_commit, read_commits
from pipeline.sinks.output import Output

Row = dict[str, Any]
_EDIT_FIELDS = [field.name for field in EDIT_TYPE]


def replayable(output: Output, kinds: Collection[str]) -> list[str]:
    """Paths of the current dead parts with letters of `kinds` (empty: of any kind), in order."""
    return sorted(
        file.path
        for commit in read_commits(output)
        if any(_wanted(*_split(reason), kinds) for reason in commit.dead_by_kind)
        for file in commit.files
        if file.path.startswith("dead/")
    )


def unreadable(output: Output) -> int:
    """How many current letters are of the stage `read`, which no replay takes."""
    return sum(
        count
        for commit in read_commits(output)
        for reason, count in commit.dead_by_kind.items()
        if _split(reason)[0] == "read"
    )


def load(output: Output, path: str, kinds: Collection[str]) -> tuple[pa.Table, pa.Table]:
    """The letters of `kinds` in one dead part, as images: (to be planned anew, planned before).

    READ_SCHEMA for images that never had a plan, PLAN_SCHEMA for those whose edits died. All are
    of one chunk; at least one is not empty.
    """
    unplanned: list[Row] = []
    planned: dict[int, Row] = {}
    edits: dict[int, list[Row]] = defaultdict(list)
    for letter in dead.read_part(output, path).to_pylist():
        if not _wanted(letter["error_stage"], letter["error_kind"], kinds):
            continue
        image = letter | dict.fromkeys(("error_stage", "error_kind", "error_message"))
        if letter["edit"] is None:
            unplanned.append(image)
        else:
            planned[letter["ordinal"]] = image
            edit = {name: letter[name] for name in _EDIT_FIELDS if name != "name"}
            edits[letter["ordinal"]].append({"name": letter["edit"], **edit})
    again = [
        {**image, "edits": edits[ordinal], "planned": len(edits[ordinal])}
        for ordinal, image in planned.items()
    ]
    return _table(unplanned, READ_SCHEMA), _table(again, PLAN_SCHEMA)


def untouched(output: Output, chunk: Chunk, table: pa.Table) -> pa.Table:
    """The chunk's current dead letters that `table` (what a replay made) does not speak of."""
    before = _before(output, chunk)
    letters = pa.concat_tables(
        dead.read_part(output, file.path) for file in before.files if file.path.startswith("dead/")
    )
    made = set(zip(table["ordinal"].to_pylist(), table["edit"].to_pylist(), strict=True))
    images = {ordinal for ordinal, _ in made}
    names = letters.select(["ordinal", "edit"]).to_pylist()
    left = [
        name["ordinal"] not in images
        if name["edit"] is None
        else (name["ordinal"], name["edit"]) not in made
        for name in names
    ]
    return conform(letters.filter(pa.array(left, pa.bool_())), table.schema)


def _before(output: Output, chunk: Chunk) -> Commit:
    for number in range(output.replay - 1, -1, -1):
        commit = find_commit(output, chunk, number)
        if commit:
            return commit
    raise AssertionError(f"a replay of {chunk}, which was never committed")


def _split(reason: str) -> tuple[str, str]:
    stage, _, kind = reason.partition("/")
    return stage, kind


def _wanted(stage: str, kind: str, kinds: Collection[str]) -> bool:
    return stage != "read" and (not kinds or kind in kinds)


def _table(rows: list[Row], schema: pa.Schema) -> pa.Table:
    kept = [{field.name: row.get(field.name) for field in schema} for row in rows]
    return pa.Table.from_pylist(kept, schema=schema)
