"""Sets of numbers as (first, last) of each run of consecutive ones: short in a record."""

from __future__ import annotations

from collections.abc import Iterable

Runs = list[tuple[int, int]]


def runs(numbers: Iterable[int]) -> Runs:
    """Ascending numbers as (first, last) of each run of consecutive ones."""
    found: Runs = []
    for number in numbers:
        if found and number == found[-1][1] + 1:
            found[-1] = (found[-1][0], number)
        else:
            found.append((number, number))
    return found


def unrolled(some: Runs) -> set[int]:
    """The numbers themselves."""
    return {number for first, last in some for number in range(first, last + 1)}


def joined(some: Runs, more: Runs) -> Runs:
    """Those of both."""
    return runs(sorted(unrolled(some) | unrolled(more)))
