"""The row-failure policy: an exception in a batch is traced to the rows that cause it.

Knows no stage. A `RowError` is a row's own; any other exception bisects the batch until single
rows are left, and what still fails there is that row's dead letter. `RunError` and exits pass.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from pipeline.errors import BugError, RowError, RunError

T = TypeVar("T")
R = TypeVar("R")


def guarded(items: Sequence[T], work: Callable[[Sequence[T]], Sequence[R]]) -> list[R | RowError]:
    """`work(items)`, one result an item; items that make it raise give their RowError instead.

    With f failing items among n, `work` is called O(f·log n) times.
    """
    if not items:
        return []
    try:
        results: list[R | RowError] = list(work(items))
    except RunError:
        raise
    except Exception as error:
        if len(items) == 1:
            return [as_row_error(error)]
        half = len(items) // 2
        return guarded(items[:half], work) + guarded(items[half:], work)
    if len(results) != len(items):
        raise BugError(f"a stage gave {len(results)} results for {len(items)} items")
    return results


def as_row_error(error: Exception) -> RowError:
    """The RowError that tells an unforeseen exception: kind `internal`, its type and message."""
    if isinstance(error, RowError):
        return error
    return RowError("internal", f"{type(error).__name__}: {' '.join(str(error).split())[:500]}")
