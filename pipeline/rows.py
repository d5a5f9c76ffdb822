"""The one Arrow schema of a row, grouped by the stage that fills it. Knows no stage and no format.

A table holds one chunk (see `Chunk`) and travels whole from the reader to the writer. Until the
edit stage a row is one source image with a list of planned edits; from there on a row is one
planned edit. A row that failed stays in its table with `error_stage`, `error_kind` and
`error_message` set; every later stage passes it on untouched and the writer makes it a dead letter.

Numbers that a person types are float64, so that `encoding_ratio == 0.8` finds rows in every reader;
measured ones (scores, `mask_area`) are float32.
"""

from __future__ import annotations

import hashlib
import json
import posixpath
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

GONE = 0
"""Stamp of a listed member that is there no more."""
RANK = 1 << 32
"""In a listed shard the ordinal of a picture's further rows is its position and so much for each.
"""

SOURCE = pa.schema(
    [
        pa.field("shard", pa.string()),  # path of the shard, relative to input.path
        pa.field("shard_version", pa.string()),  # size or listing digest: tells a changed shard
        pa.field("chunk", pa.int32()),  # number of the chunk in its shard
        pa.field("last", pa.bool_()),  # whether the chunk ends its shard
        pa.field("ordinal", pa.int64()),  # position of the member in its shard
        pa.field("key", pa.string()),  # the member's own key; (shard, key) is unique in a run
        pa.field("image", pa.binary()),  # encoded bytes, as read
        pa.field("input_mask", pa.binary()),  # null: none; encoded, bright where to edit
        pa.field("input_protect", pa.binary()),  # null: none; encoded, bright where never to edit
        pa.field("caption", pa.string()),
        pa.field("columns", pa.string()),  # every other input column, as a JSON object
    ]
)
"""Filled by the reader: one row a source image."""

INPUT_MASKS = ("input_mask", "input_protect")
"""Of these columns an output has nothing but what its own mask says; a dead letter keeps them."""

ERROR = pa.schema(
    [
        pa.field("error_stage", pa.string()),  # read | plan | edit | check
        pa.field("error_kind", pa.string()),
        pa.field("error_message", pa.string()),
    ]
)
"""Null in a living row."""
REJECTED = "rejected"
"""Error kind of an edit that was made and lies outside of a bound: no dead letter, see `sinks`."""

CHANGE = [
    pa.field("instruction", pa.string()),  # null: the rule has no sentence for it
    pa.field("inverse_instruction", pa.string()),  # what asks for the source again
    pa.field("edit_type", pa.string()),  # what is changed: colour, material, object …
    pa.field("source_word", pa.string()),  # the words that are changed
    pa.field("target_word", pa.string()),
]
"""What a swap changes."""

TRIES = [
    pa.field("rank", pa.int32()),  # 1: the best of several tries; null: there were no tries
    pa.field("variant", pa.int32()),  # which try, from 0
    pa.field("tries", pa.int32()),  # how many there were at this edit
    pa.field("mask_threshold", pa.float64()),  # as drawn for this try; null: the config's
    pa.field("mask_dilate", pa.int32()),  # as drawn for this try; null: the config's
]
"""Which of several tries an edit is; all null where there were none."""

EDIT_TYPE = pa.struct(
    [
        pa.field("name", pa.string()),  # unique among the image's edits
        pa.field("source_prompt", pa.string()),  # may be empty (DiffEdit, section 3.1)
        pa.field("target_prompt", pa.string()),
        pa.field("mask_strength", pa.float64()),  # null: the config's
        pa.field("encoding_ratio", pa.float64()),  # null: the config's
        pa.field("guidance_scale", pa.float64()),  # null: the config's
        pa.field("colour", pa.string()),  # #rrggbb, the exact colour asked for; null: none
        pa.field("mask_prompt", pa.string()),  # its contrast makes the mask; null: the target's
        *CHANGE,
        pa.field("rank", pa.int32()),  # 1: the best of several tries; null: there are no tries
    ]
)

PLAN = pa.schema(
    [
        pa.field("edits", pa.list_(EDIT_TYPE)),  # empty with no error: nothing to do (passed)
        pa.field("planned", pa.int32()),  # how many rows of results this image must end as
    ]
)
"""Filled by the planner: `planned` is 0 for a passed row, 1 for a failed one, else its edits."""

RESULT = pa.schema(
    [
        pa.field("planned", pa.int32()),  # as the planner said; the writer counts against it
        pa.field("edit", pa.string()),  # name of the edit; null: the whole row failed or passed
        pa.field("source_prompt", pa.string()),
        pa.field("target_prompt", pa.string()),
        pa.field("mask_prompt", pa.string()),
        *CHANGE,
        pa.field("mask_strength", pa.float64()),
        pa.field("encoding_ratio", pa.float64()),
        pa.field("guidance_scale", pa.float64()),
        pa.field("seed", pa.int64()),  # of the row's noise maps; below 2**53
        *TRIES,
        pa.field("edited", pa.binary()),  # encoded, output.image_format, the source's own size
        pa.field("encoding", pa.string()),  # lossless | copied | fresh: why (see images.encode)
        pa.field("mask", pa.binary()),  # PNG, mode L, 255 where `edited` may differ; source's size
        pa.field("width", pa.int32()),
        pa.field("height", pa.int32()),
        pa.field("mask_area", pa.float32()),  # share of the picture that the edit covers, 0..1
        pa.field("mask_state", pa.string()),  # partial | empty | full
        pa.field("mask_from", pa.string()),  # model | input | both: who said where
        pa.field("colour", pa.string()),  # #rrggbb, the exact colour asked for; null: none
        pa.field("reached", pa.string()),  # #rrggbb, the colour of what was recoloured; null: not
        pa.field("near_duplicate", pa.string()),  # an edit of the image that it nearly equals
        pa.field("model", pa.string()),  # the id or folder that the actor loaded
        pa.field("weights", pa.string()),  # digest of all of its files that decide pictures
    ]
)
"""Filled by the edit stage: one row a planned edit."""

READ_SCHEMA = pa.unify_schemas([SOURCE, ERROR])
PLAN_SCHEMA = pa.unify_schemas([SOURCE, PLAN, ERROR])


def result_schema(scores: Sequence[str]) -> pa.Schema:
    """Schema from the edit stage on; each score adds a float column `score_<name>`."""
    score_fields = [pa.field(f"score_{name}", pa.float32()) for name in scores]
    return pa.unify_schemas([SOURCE, RESULT, pa.schema(score_fields), ERROR])


def where(table: pa.Table, wanted: pa.ChunkedArray | pa.BooleanArray) -> pa.Table:
    """The rows that are `wanted`, as slices: Arrow's own filter would copy all pictures."""
    at = np.flatnonzero(np.asarray(wanted))
    rows = np.split(at, np.flatnonzero(np.diff(at) != 1) + 1)
    return pa.concat_tables([table.slice(min(some, default=0), len(some)) for some in rows])


def but(table: pa.Table, ids: Collection[str]) -> pa.Table:
    """The rows whose `id` is none of `ids`, as slices."""
    return where(table, pc.invert(pc.is_in(table["id"], pa.array(list(ids), pa.string()))))


def conform(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """`table` with exactly `schema`'s columns, in its order; a missing one is null.

    What the table's metadata says (see `Spent`, `PassedOver`) stays.

    Raises pa.ArrowInvalid where a column cannot be cast: that is a bug in a stage.
    """
    columns = [
        table[field.name].cast(field.type)
        if field.name in table.column_names
        else pa.nulls(len(table), field.type)
        for field in schema
    ]
    return pa.table(columns, schema=schema.with_metadata(table.schema.metadata))


@dataclass
class Spent:
    """What the edit stage spent on one chunk. Travels in the table's metadata, not in its rows:
    rows must not depend on the time that they took."""

    model_seconds: float = 0.0  # the model at work
    idle_seconds: float = 0.0  # the model waiting for this chunk, after the one before it
    codec_seconds: float = 0.0  # CPU of decoding, pasting back, scoring and encoding photos
    evaluations: int = 0  # rows through the network
    bytes_read: int = 0  # of pictures and their masks, as they are encoded

    @classmethod
    def of(cls, table: pa.Table) -> Spent:
        """As noted on `table`; zeros where nothing is."""
        noted = table.schema.metadata or {}
        found = {name: float(noted.get(name.encode(), 0)) for name in SPENT}
        evaluations, bytes_read = int(found.pop("evaluations")), int(found.pop("bytes_read"))
        return cls(evaluations=evaluations, bytes_read=bytes_read, **found)

    def noted(self, table: pa.Table) -> pa.Table:
        """`table` with this as its metadata."""
        told = {name: str(value) for name, value in asdict(self).items()}
        return table.replace_schema_metadata({**(table.schema.metadata or {}), **told})


SPENT = tuple(f.name for f in fields(Spent))
"""What is summed wherever a chunk's work is told."""


def _most(counts: Mapping[str, int], shown: int = 6) -> str:
    most = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    told = [f"{count:,} × {ending}" for ending, count in most[:shown]]
    more = [f"{len(most) - shown} more"] if len(most) > shown else []
    return ", ".join(told + more)


@dataclass
class PassedOver:
    """Files that are neither a shard nor a member's: how many, of which ending, and why.

    Those inside of shards travel in their chunk's metadata.
    """

    endings: dict[str, dict[str, int]] = field(default_factory=dict)  # reason → ending → files
    examples: dict[str, str] = field(default_factory=dict)  # reason → one of them

    def add(self, name: str, reason: str) -> None:
        """Counts one file; `name` is printable."""
        ending = posixpath.splitext(name)[1].lower() or "no ending"
        counts = self.endings.setdefault(reason, {})
        counts[ending] = counts.get(ending, 0) + 1
        self.examples.setdefault(reason, name)

    def merge(self, other: PassedOver | None) -> PassedOver:
        """Adds the other's counts, and returns itself."""
        for reason, counts in (other.endings if other else {}).items():
            mine = self.endings.setdefault(reason, {})
            for ending, count in counts.items():
                mine[ending] = mine.get(ending, 0) + count
        self.examples = {**(other.examples if other else {}), **self.examples}
        return self

    @property
    def files(self) -> int:
        """How many."""
        return sum(sum(counts.values()) for counts in self.endings.values())

    def lines(self) -> Iterator[str]:
        """For a person: a line a reason; nothing where nothing was passed over."""
        if self.files:
            sums = sum((Counter(counts) for counts in self.endings.values()), Counter[str]())
            files = f"{self.files:,} file{'s' if self.files > 1 else ''}"
            yield f"passed over: {files} (endings: {_most(sums)})"
        for reason, counts in sorted(self.endings.items()):
            yield f"  {reason}: {_most(counts)}; for example {self.examples[reason]}"

    @classmethod
    def of(cls, table: pa.Table) -> PassedOver:
        """As noted on `table`; empty where nothing is."""
        noted = (table.schema.metadata or {}).get(b"passed_over")
        return cls(**json.loads(noted)) if noted else cls()

    def noted(self, table: pa.Table) -> pa.Table:
        """`table` with these counts in its metadata."""
        if not self.endings:
            return table
        text = json.dumps(asdict(self))
        return table.replace_schema_metadata({**(table.schema.metadata or {}), "passed_over": text})


def name_digest(key: str) -> int:
    """64 bits of a key: of ten million in one folder two share theirs once in 400,000 times."""
    return int.from_bytes(hashlib.blake2b(key.encode(), digest_size=8).digest())


@dataclass
class Listed:
    """Which members of a frozen list (`sinks/lists.py`) a chunk's table speaks of.

    Members are known by their positions in their shard. Travels in the table's metadata.
    """

    as_of: int  # number of the newest list that says something of the chunk
    members: dict[int, str]  # position → hex digits: 16 of its name, 16 of what was read, if any

    @classmethod
    def of(cls, table: pa.Table) -> Listed | None:
        """As noted on `table`; None where its shard has no list."""
        noted = json.loads((table.schema.metadata or {}).get(b"listed", "null"))
        members = noted and {int(place): digest for place, digest in noted["members"].items()}
        return cls(noted["as_of"], members) if noted else None

    def noted(self, table: pa.Table) -> pa.Table:
        """`table` with this in its metadata."""
        text = json.dumps(asdict(self))
        return table.replace_schema_metadata({**(table.schema.metadata or {}), "listed": text})


def drawn(table: pa.Table) -> dict[int, list[tuple[str, str]]]:
    """Ordinal → (word, target) pairs that a shard's balance gave a row; as noted on `table`."""
    noted = json.loads((table.schema.metadata or {}).get(b"drawn", "{}"))
    return {int(ordinal): [(word, new) for word, new in pairs] for ordinal, pairs in noted.items()}


def noted_drawn(table: pa.Table, pairs: Mapping[int, Sequence[tuple[str, str]]]) -> pa.Table:
    """`table` with `pairs` in its metadata."""
    text = json.dumps(pairs)
    return table.replace_schema_metadata({**(table.schema.metadata or {}), "drawn": text})


@dataclass(frozen=True)
class Chunk:
    """The unit of work and of commit: some consecutive members of one shard, see `Filling`."""

    shard: str
    shard_version: str
    index: int
    last: bool

    @classmethod
    def of(cls, table: pa.Table) -> Chunk:
        """The chunk that a table (never empty) holds."""
        first = table.slice(0, 1).select(["shard", "shard_version", "chunk", "last"]).to_pylist()[0]
        return cls(first["shard"], first["shard_version"], first["chunk"], first["last"])
