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
    _even_out(given, room)
    while _exchange(given, room):  # what is left needs chains
        pass
    return given


def _even_out(given: Counts, room: Counts) -> None:
    """Hands edits from the highest targets to the lowest, while one group can do it."""
    loads, done = given.sum(0), np.zeros(given.shape[1], bool)
    while not done.all():
        start = int(np.argmax(np.where(done, -1, loads)))
        most = np.minimum(given[:, start, None], room - given)
        ends = np.flatnonzero((loads[start] - loads > 1) & (most.max(0, initial=0) > 0))
        if not len(ends):
            done[start] = True
            continue
        end = int(ends[np.argmin(loads[ends])])
        group = int(np.argmax(most[:, end]))
        moved = min(int(most[group, end]), int(loads[start] - loads[end]) // 2)
        given[group, [start, end]] += [-moved, moved]
        loads[[start, end]] += [-moved, moved]


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
    if loads.max() - loads.min() < 2:
        return False
    goes = ((given > 0).T.astype(np.float32) @ (given < room).astype(np.float32)) > 0
    seen = np.zeros(len(loads), bool)
    for start in np.argsort(-loads, kind="stable"):
        if seen[start]:  # what it reaches was reached from one that has more
            continue
        before = _reached(goes, int(start))
        ends = np.flatnonzero((before >= 0) & (loads[start] - loads > 1))
        if len(ends):
            end = int(ends[np.argmin(loads[ends])])
            most = int(loads[start] - loads[end]) // 2
            _move(given, room, _path(before, int(start), end), most)
            return True
        seen |= before >= 0
    return False


def _reached(goes: npt.NDArray[Any], start: int) -> Counts:
    """Of each target the one that hands edits of `start` on to it; -1 where none does."""
    before = np.full(len(goes), -1, np.int64)
    before[start] = start
    front = np.array([start])
    while len(front):
        steps = goes[front] & (before < 0)
        found = np.flatnonzero(steps.any(0))
        before[found] = front[steps[:, found].argmax(0)]
        front = found
    return before


def _path(before: Counts, start: int, end: int) -> list[int]:
    path = [end]
    while path[-1] != start:
        path.append(int(before[path[-1]]))
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
