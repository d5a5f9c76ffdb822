"""One batch at a time on the device, and a clock of its work. Knows no batch."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Lock

from pipeline.rows import Spent


class Turn:
    """Lets one of an actor's threads use the model, and tells how long it worked and waited.

    The time before the first turn is not counted: the model was being loaded, or nothing was read.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._lock = Lock()
        self._clock = clock
        self._free_since: float | None = None

    @contextmanager
    def taken(self, spent: Spent) -> Iterator[None]:
        """Waits for the model and holds it; adds the seconds to `spent`."""
        with self._lock:
            begun = self._clock()
            if self._free_since is not None:
                spent.idle_seconds += begun - self._free_since
            try:
                yield
            finally:
                self._free_since = self._clock()
                spent.model_seconds += self._free_since - begun
