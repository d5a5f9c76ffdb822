"""Where a shard's chunks end: by the number and bytes of its members alone. Knows no source."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Filling:
    """Counts a shard's members off into chunks, in their order.

    Everything is counted whether it is wanted or not, so a chunk's number means the same members
    at every start.
    """

    chunk_rows: int  # members a chunk at most
    chunk_bytes: int | None  # of their images, but for a member that has more by itself
    chunk: int = 0
    _rows: int = 0
    _bytes: int = 0

    def add(self, size: int) -> int:
        """The chunk, from 0, of the next member, whose image has `size` bytes."""
        over = self.chunk_bytes is not None and self._bytes + size > self.chunk_bytes
        if self._rows == self.chunk_rows or (self._rows and over):
            self.chunk, self._rows, self._bytes = self.chunk + 1, 0, 0
        self._rows, self._bytes = self._rows + 1, self._bytes + size
        return self.chunk
