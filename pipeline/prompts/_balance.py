"""How many edits of each group of captions go to each target, so that targets come equally often.

Captions that may become the same targets are a group. Each caption takes some targets, none twice.
The loads are the most equal that there are: no target can be given an edit of another that has two
more, directly or through a chain of exchanges. Such a chain is a cost-reducing path, and without
one an assignment is optimal (Harvey, Ladner, Lovász and Tamir, Semi-matchings for bipartite graphs
and load balancing, 2003, theorem 3.1). Knows no word.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

Counts = npt.NDArray[np.int64]


class Group(NamedTuple):
    """Captions with the same choice."""

    options: tuple[int, ...]  # targets, by number
    captions: int
    each: int  # targets a caption takes, at most as many as there are options


def shares(groups: Sequence[Group], targets: int) -> Counts:
    """(groups, targets): edits of each group with each target; no entry is above its captions."""
    given = np.zeros((len(groups), targets), np.int64)
    room = np.zeros_like(given)
    for number, group in enumerate(groups):
        room[number, list(group.options)] = group.captions
    # Those with the least choice of places first, the many last: they fill what is low.
    for number in sorted(range(len(groups)), key=lambda n: groups[n].captions):
        wanted = groups[number].captions * groups[number].each
        given[number] = _poured(given.sum(0), room[number], wanted)
    while _exchange(given, room):
        pass
    return given


def _poured(loads: Counts, room: Counts, units: int) -> Counts:
    """`units` over the targets, the lowest filled first, none with more than its room."""
    low, high = int(loads.min()), int(loads.max()) + units + 1
    while high - low > 1:  # the highest level that takes no more than there is
        level = (low + high) // 2
        low, high = (low, level) if np.clip(level - loads, 0, room).sum() > units else (level, high)
    poured = np.clip(low - loads, 0, room)
    left = units - int(poured.sum())
    takes = np.flatnonzero((poured < room) & (loads + poured <= low))
    poured[takes[:left]] += 1
    return poured


def _exchange(given: Counts, room: Counts) -> bool:
    """Evens out one pair of targets along a cost-reducing path; False where there is none."""
    loads = given.sum(0)
    goes = ((given > 0).T.astype(np.float32) @ (given < room).astype(np.float32)) > 0
    for start in np.argsort(-loads, kind="stable"):
        before = _reached(goes, int(start))
        ends = [target for target in before if loads[start] - loads[target] > 1]
        if ends:
            end = min(ends, key=lambda target: int(loads[target]))
            most = int(loads[start] - loads[end]) // 2
            _move(given, room, _path(before, int(start), end), most)
            return True
    return False


def _reached(goes: npt.NDArray[Any], start: int) -> dict[int, int]:
    """Each target that edits of `start` can be handed on to → the one before it."""
    before, front = {start: start}, [start]
    while front:
        found = [(int(v), u) for u in front for v in np.flatnonzero(goes[u])]
        front = []
        for target, by in found:
            if target not in before:
                before[target] = by
                front.append(target)
    return before


def _path(before: dict[int, int], start: int, end: int) -> list[int]:
    path = [end]
    while path[-1] != start:
        path.append(before[path[-1]])
    return path[::-1]


def _move(given: Counts, room: Counts, path: Sequence[int], most: int) -> None:
    """Hands as many edits along the path as its narrowest step lets."""
    steps = []
    for here, there in pairwise(path):
        can = np.minimum(given[:, here], room[:, there] - given[:, there])
        steps.append((int(np.argmax(can)), here, there))
        most = min(most, int(can.max()))
    for group, here, there in steps:
        given[group, here] -= most
        given[group, there] += most
