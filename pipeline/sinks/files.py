"""Puts the files of one attempt at a chunk. Knows no format and no record."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from pipeline.sinks import layout
from pipeline.sinks.commits import PartFile
from pipeline.sinks.layout import ChunkName
from pipeline.sinks.output import Output
from pipeline.sinks.streamed import Write, stream


@dataclass(frozen=True)
class Files:
    """The files of one attempt, under names that no other gives."""

    output: Output
    name: ChunkName
    token: str = field(default_factory=layout.token)

    def apart(self) -> Files:
        """The same, of names of its own."""
        return replace(self, token=layout.token())

    def put(self, kind: str, data: bytes, rows: int, split: str = "") -> PartFile:
        """Writes the file of `kind`, one of `layout.PARTS`, with the rows of a split, if any."""
        return self.stream(kind, lambda sink: sink.write(data), rows, split)

    def stream(self, kind: str, write: Write, rows: int, split: str = "") -> PartFile:
        """As `put`, of what `write` writes, which is never held whole."""
        path = layout.part_path(kind, self.output.run, self.name, self.token, split)
        size, digest = stream(self.output.fs, f"{self.output.root}/{path}", write)
        return PartFile(path=path, rows=rows, bytes=size, blake2b=digest)
