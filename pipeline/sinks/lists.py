"""Frozen lists: which members a growing shard has, and which chunk each of them is of.

A folder gains, loses and changes pictures, yet a chunk's content must be fixed before it is begun.
So what each run finds new is written down before anything is done, as `_state/lists/{n:05d}.arrow`,
made by a create that fails where there is one: list n + 1 is what was found on top of lists 1..n,
so of several runs that look at once one says what is new. A list is never written over.

An *added* member has its position and chunk from then on. What is *again* or *gone* amends an
earlier one: its chunk is due once more, where its record is of an earlier list (`Commit.as_of`).
What is *same* was touched: it has another stamp and the content that is committed. What is
*adopted* was committed before its shard had a list.

A member takes 12 bytes, of ten millions 120 MB. Knows no source's format.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipeline import storage
from pipeline.errors import RunError
from pipeline.sinks import layout
from pipeline.sinks.output import Output

ADDED, AGAIN, SAME, DROPPED, ADOPTED = range(5)
OLD = -1
"""Chunk of members that were committed before there were lists: it is not known which."""

SCHEMA = pa.schema(
    [
        pa.field("name", pa.uint64()),  # digest of its key
        pa.field("stamp", pa.uint32()),  # what a look told of its content; 0: gone
        pa.field("chunk", pa.int32()),
        pa.field("kind", pa.uint8()),  # ADDED …
    ]
)


@dataclass(frozen=True)
class Head:
    """What the lists so far say of a shard as a whole."""

    path: str
    version: str  # the listing that was looked at: where it is the same, nothing is new
    positions: int = 0  # members that were ever added
    chunks: int = 0
    gone: int = 0  # of the members, how many were not there
    skip: int = 0  # what a member's ordinal is more than its place here
    amended: bool = False  # whether any list has work at a member of an earlier one


@dataclass(frozen=True)
class Found:
    """What one list says of one shard."""

    head: Head
    rows: pa.RecordBatch  # of `SCHEMA`


class Known:
    """All members of one shard, by position."""

    def __init__(self, batches: Iterable[tuple[int, pa.RecordBatch]]) -> None:
        self.names = np.zeros(0, np.uint64)
        self.stamps = np.zeros(0, np.uint32)
        self.chunks = np.zeros(0, np.int32)
        self.born = np.zeros(0, np.int32)  # number of the list that added it
        self.due = np.zeros(0, np.int32)  # of the last list that has work at it
        for number, batch in batches:
            self._add(number, {name: batch[name].to_numpy() for name in SCHEMA.names})

    def _add(self, number: int, rows: Mapping[str, npt.NDArray[Any]]) -> None:
        added = np.isin(rows["kind"], (ADDED, ADOPTED))
        amended = self.places(rows["name"][~added])
        self.stamps[amended] = rows["stamp"][~added]
        self.due[amended[rows["kind"][~added] != SAME]] = number
        self.names = np.append(self.names, rows["name"][added])
        self.stamps = np.append(self.stamps, rows["stamp"][added])
        self.chunks = np.append(self.chunks, rows["chunk"][added])
        born = np.where(rows["kind"][added] == ADDED, number, 0).astype(np.int32)
        self.born, self.due = np.append(self.born, born), np.append(self.due, born)

    def places(self, names: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
        """The position of each of `names`; -1 where it is not known."""
        order = np.argsort(self.names, kind="stable")
        there = np.searchsorted(self.names, names, sorter=order)
        found = np.append(order, -1)[there]
        same = np.append(self.names, np.uint64(0))[found] == names
        return np.where(same & (found >= 0), found, -1).astype(np.int64)


class Lists:
    """All lists of an output."""

    def __init__(self, files: Iterable[bytes] = ()) -> None:
        self.count = 0
        self.heads: dict[str, Head] = {}
        self._batches: dict[str, list[tuple[int, pa.ipc.RecordBatchFileReader, int]]] = {}
        for data in files:
            self.add(data)

    def add(self, data: bytes) -> None:
        """Takes in the list after those so far."""
        self.count += 1
        reader = pa.ipc.open_file(pa.BufferReader(data))
        for index, head in enumerate(json.loads(reader.schema.metadata[b"shards"])):
            self.heads[head["path"]] = Head(**head)
            self._batches.setdefault(head["path"], []).append((self.count, reader, index))

    def known(self, path: str) -> Known:
        """The members of one shard."""
        places = self._batches.get(path, ())
        return Known((number, reader.get_batch(index)) for number, reader, index in places)


def load_lists(output: Output) -> Lists:
    """Every list, in order. Raises RunError where one is damaged."""
    lists = Lists()
    with storage.explained(output.path, "read its lists", raising=RunError):
        while True:
            path = layout.list_path(lists.count + 1)
            try:
                data = storage.read(output.fs, f"{output.root}/{path}")
            except FileNotFoundError:
                return lists
            try:
                lists.add(data)
            except (pa.ArrowException, ValueError, KeyError, TypeError) as error:
                why = "put it back from a copy; without it nothing is known to be new"
                raise RunError(f"{output.path}/{path}: damaged ({error}); {why}") from error


def encode(found: Iterable[Found]) -> bytes:
    """A list's bytes: one batch a shard."""
    found = list(found)
    heads = json.dumps([asdict(one.head) for one in found])
    schema = SCHEMA.with_metadata({"shards": heads})
    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    with pa.ipc.new_file(sink, schema, options=options) as writer:
        for one in found:
            writer.write_batch(one.rows)
    data: bytes = sink.getvalue().to_pybytes()
    return data


def freeze(output: Output, number: int, found: Iterable[Found]) -> None:
    """Makes what was `found` the list of that number.

    Raises RunError where another run made one meanwhile.
    """
    path = f"{output.root}/{layout.list_path(number)}"
    with storage.explained(output.path, "write down what is new", raising=RunError):
        if not storage.create(output.fs, path, encode(found)):
            raise RunError(f"{output.path}: another run found what is new; this one stops")
