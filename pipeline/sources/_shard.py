"""What a source is made of: shards, and the members that stream out of one. Knows no format."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, Protocol

from pipeline.errors import RowError
from pipeline.rows import PassedOver


class Pick(NamedTuple):
    """One member of a frozen list that is to be read, and the chunk that it belongs to."""

    chunk: int
    position: int  # of the member in its shard, over all lists
    name: int  # digest of its key, see `_entries.py`
    stamp: int  # what was listed of it; 0: it is gone, and only its chunk is to know
    as_of: int  # number of the newest list that says something of the chunk
    born: int = 0  # of the list that added it; 0: it is older than lists, or was done before


class Entry(NamedTuple):
    """One member of a shard as it is listed, before it is read."""

    key: str
    name: int  # digest of the key, 64 bits
    stamp: int  # digest of all that a look tells of its content, 32 bits; 0: it is not there
    size: int  # bytes


@dataclass(frozen=True)
class Shard:
    """One file (or folder of images): the unit of parallel reading."""

    path: str  # relative to input.path, '/' separated, printable: names the shard in every output
    url: str  # what the source's filesystem opens
    size: int  # bytes (folder: of all its images), for estimates and progress
    version: str  # short: size or listing digest; another version is another content
    pin: str = ""  # the content as it was listed, as exactly as the storage tells; never stored
    rows: int | None = None  # images, where the listing tells
    tables: tuple[str, ...] = ()  # of a folder: metadata tables in folders above it, nearest first
    tells: tuple[str, ...] = ()  # of all its tables: those whose rows without a folder it tells
    picks: tuple[Pick, ...] | None = None  # what to read of it, by chunk; None: all there is
    chunks: int = 0  # with picks: how many the shard has by now
    peers: tuple[Pick, ...] = ()  # members of the picks' lists that are done, see `born`


@dataclass(frozen=True)
class Listing:
    """What lies below input.path."""

    shards: list[Shard]  # sorted by path
    passed: PassedOver  # every other file


@dataclass(frozen=True)
class Member:
    """One source image as read, or what is wrong with it. Decoding comes later."""

    ordinal: int  # position in its shard, from 0: decides the chunk
    key: str
    image: bytes | None
    caption: str | None
    columns: dict[str, Any] = field(default_factory=dict)  # every other column, JSON-able
    error: RowError | None = None
    share: float | None = None  # of the shard that ends with it, 0..1; None: not known
    passed: PassedOver | None = None  # files in the shard, up to here, that are no member's
    mask: bytes | None = None  # a picture, bright where to edit
    protect: bytes | None = None  # a picture, bright where never to edit


class Source(Protocol):
    """A dataset format over fsspec."""

    def listing(self) -> Listing:
        """Every shard, and what was passed over. Raises UsageError where there is no shard."""

    def members(self, shard: Shard) -> Iterator[Member]:
        """Streams a shard's members in order, at least one; holds about one member at a time.

        What is wrong with a member, or with the rest of a shard, is a Member with `error`: bad
        input never raises. Where an image has several captions, each is a member (`each_caption`).
        Raises OSError where the storage fails in spite of retries, or the shard is not the one
        that was listed any more. Of a shard with `picks`, theirs alone, in their order.
        """


class Growing(Source, Protocol):
    """A source whose shards gain, lose and change members; a look tells which."""

    grows: bool

    def entries(self, shard: Shard) -> list[Entry]:
        """Every member as it is listed, in order. Raises as `Source.members`."""


def numbered(members: Iterable[Member]) -> Iterator[Member]:
    """`members` with their ordinals."""
    for ordinal, member in enumerate(members):
        yield replace(member, ordinal=ordinal)


def unnumbered(key: str, image: bytes | None = None, **rest: Any) -> Member:
    """A member that `numbered` will give its ordinal."""
    return Member(-1, key, image, rest.pop("caption", None), **rest)


def check_masks(masks: Iterable[bytes | None], allowed: int) -> None:
    """Raises RowError where a mask has more bytes than an image may."""
    for mask in masks:
        if mask is not None and len(mask) > allowed:
            told = f"a mask of {len(mask):,} bytes; allowed: {allowed:,} (input.max_bytes)"
            raise RowError("too_large", told)


def no_protection(key: str, wanted: str) -> RowError:
    """Of a row that lacks the file that says what to protect: to guess would spoil a logo."""
    told = f"{key}: no file {wanted} (input.protect); where nothing is protected make it black"
    return RowError("no_protection", told)


def each_caption(member: Member, captions: Iterable[str]) -> Iterator[Member]:
    """`member` once for each of its captions; once if it has none."""
    each = [replace(member, caption=caption) for caption in captions]
    yield from told_apart(each or [member])


def told_apart(members: Iterable[Member]) -> Iterator[Member]:
    """Members of one image: the second's key ends in #2 …"""
    for number, member in enumerate(members, 1):
        if number == 1:
            yield member
        else:
            yield replace(member, key=f"{member.key}#{number}", passed=None)
