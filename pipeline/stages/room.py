"""How many pixels are worked on at a time, so that memory does not grow with photos or threads,
a clock of that work, and what gives its memory back. Knows no picture.
"""

from __future__ import annotations

import ctypes
import time
from collections.abc import Iterator
from contextlib import contextmanager
from mmap import PAGESIZE
from pathlib import Path
from threading import Condition

from pipeline.rows import Spent

LARGE = 1 << 20
"""Pixels from which on a photo is decoded once more when its edits are put into it, for a chunk may
have many, and leaves much behind that was freed."""
KEPT = 1 << 30
"""Bytes that a process may hold beyond what it held with its model loaded, before what is free of
them goes back to the system. Each time costs some 0.3 s: pages that are needed again are new."""
_trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc has it, others need none
_STATM = Path("/proc/self/statm")


def _private() -> int:
    """Bytes of memory that this process shares with none; 0 where the system does not tell."""
    if not _STATM.exists():
        return 0
    _, resident, shared, *_ = map(int, _STATM.read_text().split())
    return (resident - shared) * PAGESIZE


class Room:
    """Lets threads in while what they work on together is within `most` pixels.

    What is larger by itself goes in alone.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._begun = _private()
        self._taken = 0
        self._changed = Condition()

    @contextmanager
    def taken(self, pixels: int, spent: Spent) -> Iterator[None]:
        """Waits until there is room for a photo of so many pixels, and holds it.

        Adds the CPU seconds that its thread then takes to `spent`.
        """
        with self._changed:
            self._changed.wait_for(lambda: not self._taken or self._taken + pixels <= self._most)
            self._taken += pixels
        begun = time.thread_time()
        try:
            yield
        finally:
            with self._changed:
                self._taken -= pixels
                spent.codec_seconds += time.thread_time() - begun
                self._changed.notify_all()

    def give_back(self) -> None:
        """Gives what work on large photos freed back to the system, where it is much.

        glibc would keep it in an arena of each thread: 0.5 GiB after 24 photos of up to 36
        megapixels.
        """
        if _trim and _private() - self._begun > KEPT:
            _trim(0)
