"""How much a run may begin: `run.max_hours`, `run.max_edits`. Knows no stage.

A chunk that was let in is edited and committed whatever the clock says then. So a run goes beyond
`max_edits` by less than one chunk's edits, and beyond `max_hours` by what was in its hands.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from pipeline.config import Run
from pipeline.errors import Stopped
from pipeline.rows import Chunk
from pipeline.sinks.commits import Commit


@dataclass
class Caps:
    """Counts what is let in. Holds where a chunk is asked for, or done, more than once."""

    max_edits: int | None = None
    until: float | None = None  # as `time.time()`, which all processes of a machine share
    edits: int = 0  # planned, of committed chunks
    begun: dict[tuple[str, int], int] = field(default_factory=dict)  # chunk → planned edits
    reached: str = ""  # the key of the cap that kept a chunk out

    @classmethod
    def of(cls, run: Run) -> Caps:
        """From now on."""
        until = None if run.max_hours is None else time.time() + 3600 * run.max_hours
        return cls(run.max_edits, until)

    def __bool__(self) -> bool:
        return self.max_edits is not None or self.until is not None

    def lets(self, chunk: Chunk, edits: int = 0) -> bool:
        """Whether a chunk of so many planned edits (0: not known) may begin.

        Raises Stopped where it may not, and nothing that was begun is left to wait for.
        """
        name = (chunk.shard, chunk.index)
        if name in self.begun:  # it began before, and its process died
            return True
        self.reached = self.reached or self._cap()
        if self.reached:
            self.check()
            return False
        self.begun[name] = edits
        return True

    def done(self, commit: Commit) -> None:
        """It is committed."""
        self.begun.pop((commit.shard, commit.chunk), None)
        self.edits += commit.planned

    def check(self) -> None:
        """Raises Stopped where a chunk was kept out and all that was begun is committed."""
        if self.reached and not self.begun:
            raise Stopped(self.reached)

    def _cap(self) -> str:
        edits = self.edits + sum(self.begun.values())
        if self.max_edits is not None and edits >= self.max_edits:
            return "run.max_edits"
        late = self.until is not None and time.time() >= self.until
        return "run.max_hours" if late else ""
