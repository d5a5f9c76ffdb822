"""Puts the files of one attempt at a chunk. Knows no format and no record."""

from __future__ import annotations

from dataclasses import dataclass, field
from hashlib import blake2b

from pipeline import storage
from pipeline.sinks import layout
from pipeline.sinks.commits import PartFile
from pipeline.sinks.layout import ChunkName
from pipeline.sinks.output import Output


@dataclass(frozen=True)
class Files:
    """The files of one attempt, under names that no other gives."""

    output: Output
    name: ChunkName
    token: str = field(default_factory=layout.token)

    def put(self, kind: str, data: bytes, rows: int) -> PartFile:
        """Writes the file of `kind`, one of `layout.PARTS`."""
        path = layout.part_path(kind, self.output.run, self.name, self.token)
        storage.put(self.output.fs, f"{self.output.root}/{path}", data)
        digest = blake2b(data, digest_size=16).hexdigest()
        return PartFile(path=path, rows=rows, bytes=len(data), blake2b=digest)
