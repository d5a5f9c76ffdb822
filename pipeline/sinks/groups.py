"""Which image an edit is of, and which split it falls to. Knows no file and no edit."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from itertools import accumulate

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.rows import where
from pipeline.sinks.output import Output

COLUMNS = [pa.field("group_id", pa.string()), pa.field("split", pa.string())]


def grouped(rows: pa.Table, output: Output) -> pa.Table:
    """`rows` of a result table with `group_id` and `split`."""
    images, ordinals = rows["image"], rows["ordinal"].to_pylist()
    firsts = {ordinal: number for number, ordinal in reversed(list(enumerate(ordinals)))}
    # One at a time: Arrow copies the bytes of a scalar.
    known = {ordinal: _group(images[first]) for ordinal, first in firsts.items()}
    ids = [known[ordinal] for ordinal in ordinals]
    shares = output.splits
    splits = [split_of(name, shares) if name and shares else None for name in ids]
    for field, values in zip(COLUMNS, (ids, splits), strict=True):
        rows = rows.append_column(field, pa.array(values, field.type))
    return rows


def _group(image: pa.BinaryScalar) -> str | None:
    return group_of(image.as_buffer()) if image.is_valid else None


def group_of(image: pa.Buffer) -> str:
    """24 hex digits of an image's bytes: the same whatever the run, the folder and the name."""
    return hashlib.blake2b(image, digest_size=12).hexdigest()


def split_of(group: str, shares: Mapping[str, float]) -> str:
    """The split of a group: with shares moved a little, few groups change theirs."""
    digest = hashlib.blake2b(group.encode(), digest_size=8, person=b"split").digest()
    place = int.from_bytes(digest) / 2**64
    ends = zip(shares, accumulate(shares.values()), strict=True)
    return next((name for name, end in ends if place < end), list(shares)[-1])


def by_split(rows: pa.Table, output: Output) -> Iterator[tuple[str, pa.Table]]:
    """The rows of each split that has any, by name; all under "" where there are no splits."""
    for name in output.splits or [""]:
        mine = where(rows, pc.equal(rows["split"], name)) if name else rows
        if len(mine):
            yield name, mine
