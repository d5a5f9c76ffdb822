"""Small records that tie an output to its shards' versions and its model. Knows no chunk.

Each is created by the first who needs it and never written over; whoever comes with another is
refused.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from functools import lru_cache
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from pipeline import storage
from pipeline.errors import RunError, UsageError
from pipeline.rows import Chunk
from pipeline.sinks import layout
from pipeline.sinks.output import Output

T = TypeVar("T", bound=BaseModel)


class Pin(BaseModel):
    """Which shard an id is of, and of which version all its chunks are."""

    model_config = ConfigDict(frozen=True)

    shard: str
    version: str


class Weights(BaseModel):
    """The one model that all edits of an output are of."""

    model_config = ConfigDict(frozen=True)

    weights: str  # digest of its files


def read_record(output: Output, path: str, kind: type[T]) -> T:
    """The record at `path` below the output. Raises RunError where it is damaged."""
    data = storage.read(output.fs, f"{output.root}/{path}")
    try:
        return kind.model_validate_json(data)
    except ValidationError as error:
        what = "it is empty" if not data else f"it is no {kind.__name__.lower()} record"
        raise damaged(output, path, what) from error


def damaged(output: Output, path: str, why: str) -> RunError:
    """The error that names a record which cannot be used."""
    return RunError(
        f"{output.path}/{path}: damaged: {why}; `diffedit verify --repair {output.path}` "
        "mends what can be, and loses nothing"
    )


def pin(output: Output, chunk: Chunk, listed: bool = False) -> None:
    """Ties the shard to its version, before its first record.

    A `listed` one may have others later: what its chunks are of, its lists say.
    Raises UsageError where another writer tied it to another version.
    """
    ours = Pin(shard=chunk.shard, version=chunk.shard_version)
    path = layout.pin_path(layout.shard_id(chunk.shard))
    if not storage.create(output.fs, f"{output.root}/{path}", ours.model_dump_json().encode()):
        there = read_record(output, path, Pin)
        refuse_another(ours, Pin(shard=there.shard, version=ours.version) if listed else there)


def refuse_another(ours: Pin, there: Pin) -> None:
    """Raises UsageError where the output's shard is another, or another version of ours."""
    if there.shard != ours.shard:
        raise UsageError(
            f"the shards {ours.shard} and {there.shard} share one name in the output; "
            "give one of them another name"
        )
    if there.version != ours.version:
        raise UsageError(
            f"shard {ours.shard} changed since its edits were begun (version {there.version}, "
            f"now {ours.version}): give changed input another name, or use another output.path"
        )


def pin_model(output: Output, found: Iterable[str | None]) -> None:
    """Ties the output to the weights that made its first edits; `found` are those of a chunk.

    Raises UsageError as `refuse_other_weights`: they may not be the same on all machines.
    """
    for weights in sorted({digest for digest in found if digest}):
        _refuse_unequal(output, _pinned_weights(output.path, output.storage, weights), weights)


def refuse_other_weights(output: Output, weights: str) -> None:
    """Raises UsageError where the edits that are there are of others than those at `model.path`."""
    with suppress(FileNotFoundError):
        _refuse_unequal(output, _weights_there(output.path, output.storage), weights)


def _refuse_unequal(output: Output, there: str, here: str) -> None:
    if there != here:
        raise UsageError(
            f"{output.path}: holds edits of other weights (there → here); choose another "
            f"output.path, or put these back where model.path leads:\n"
            f"  model weights: {there} → {here}"
        )


@lru_cache(maxsize=64)
def _pinned_weights(path: str, place: storage.Storage, weights: str) -> str:
    """The digest that the output is tied to, from now on; asked once a process."""
    fs, root = storage.connect(path, place)
    ours = Weights(weights=weights).model_dump_json().encode()
    return (
        weights
        if storage.create(fs, f"{root}/{layout.MODEL}", ours)
        else _weights_there(path, place)
    )


def _weights_there(path: str, place: storage.Storage) -> str:
    fs, root = storage.connect(path, place)
    there = storage.read(fs, f"{root}/{layout.MODEL}")
    try:
        return Weights.model_validate_json(there).weights
    except ValidationError as error:
        raise UsageError(
            f"{path}/{layout.MODEL}: damaged; `diffedit verify --repair {path}` makes it anew"
        ) from error
