"""What a source is made of: shards, and the members that stream out of one. Knows no format."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

from pipeline.errors import RowError


@dataclass(frozen=True)
class Shard:
    """One file (or folder of images): the unit of parallel reading."""

    path: str  # relative to input.path, '/' separated: names the shard in every output
    url: str  # what the source's filesystem opens
    size: int  # bytes (folder: of all its images), for estimates and progress
    version: str  # short: size or listing digest; another version is another content


@dataclass(frozen=True)
class Member:
    """One source image as read, or what is wrong with it. Decoding comes later."""

    ordinal: int  # position in its shard, from 0: decides the chunk
    key: str
    image: bytes | None
    caption: str | None
    columns: dict[str, Any] = field(default_factory=dict)  # every other column, JSON-able
    error: RowError | None = None


class Source(Protocol):
    """A dataset format over fsspec."""

    def shards(self) -> list[Shard]:
        """Every shard, sorted by path. Raises UsageError where there is none, or no access."""

    def members(self, shard: Shard) -> Iterator[Member]:
        """Streams a shard's members in order, at least one; holds about one member at a time.

        What is wrong with a member, or with the rest of a shard, is a Member with `error`: bad
        input never raises. Raises OSError where the storage fails in spite of retries.
        """
