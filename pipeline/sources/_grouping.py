"""Files of a folder tree → which belong to one shard, and what it is known by. Reads no file."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import groupby

from pipeline.sources._files import Info, digest, exact
from pipeline.sources._shard import Shard


def by_folder(infos: Sequence[Info]) -> dict[str, list[Info]]:
    """Folder → its own files, by name."""

    def folder(info: Info) -> str:
        return posixpath.dirname(str(info["name"]))

    return {name: list(files) for name, files in groupby(sorted(infos, key=folder), folder)}


def above(folder: str, tables: Mapping[str, Info], base: str) -> list[Info]:
    """Tables in the folders above `folder`, nearest first, up to the input's own."""
    found = []
    while len(folder) > len(base) and folder != posixpath.dirname(folder):
        folder = posixpath.dirname(folder)
        if folder in tables:
            found.append(tables[folder])
    return found


def with_tells(shards: Sequence[Shard]) -> list[Shard]:
    """Of the shards below a table the first tells of its rows that belong to none of them."""
    urls, told = {shard.url for shard in shards}, set[str]()
    made = []
    for shard in shards:
        # A table beside pictures is told of by their shard.
        first = [
            url for url in shard.tables if url not in told and posixpath.dirname(url) not in urls
        ]
        made.append(replace(shard, tells=tuple(first)))
        told.update(first)
    return made


def version(infos: Sequence[Info], above: Sequence[Info]) -> str:
    """What a shard's files and the tables above it are, wherever the folder is moved to."""
    # Not by whole paths: a folder that is moved as it is stays the same.
    names = [posixpath.basename(info["name"]) for info in infos]
    names += [f"../{posixpath.basename(info['name'])}" for info in above]
    return digest(f"{n}:{exact(i)}" for n, i in zip(names, [*infos, *above], strict=True))


def pin(infos: Sequence[Info], above: Sequence[Info]) -> str:
    """The same, tied to where they are."""
    return digest(f"{info['name']}:{exact(info)}" for info in [*infos, *above])
