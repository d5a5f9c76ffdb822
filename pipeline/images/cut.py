"""What speaks for each pixel, and the picture's edges → the region that fits both best. Knows no
colour.

Boykov and Jolly 2001, "Interactive graph cuts for optimal boundary and region segmentation of
objects in N-D images": of all regions that is taken for which

    Σ_pixels what speaks against them + γ · Σ_(parted neighbours) exp(−β |ΔI|²) / distance

is least, which is where a flow from inside to outside is stuck. What each pixel but half tells, as
in the shadow beside a thing, all pixels up to the next edge tell together.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import breadth_first_order, maximum_flow

from pipeline.images.picture import Pixels

GAMMA = 3.0
"""γ: what parting two neighbours of one colour costs, in log odds."""
MOST = 20.0
"""Log odds that are as good as certain."""
UNITS = 100
"""Flows are whole numbers: so many are 1."""
NEIGHBOURS = (0, 1), (1, 0), (1, 1), (1, -1)
"""Rows and columns from a pixel to half of its eight neighbours."""

Floats = NDArray[np.float64]
Ints = NDArray[np.int32]
Region = NDArray[np.bool_]


class Edges(NamedTuple):
    """Pairs of neighbours, (P,) each by its number, and what it costs to part them."""

    one: Ints
    other: Ints
    held: Ints

    @classmethod
    def of(cls, picture: Pixels) -> Edges:
        """Of a picture, (h, w, 3)."""
        numbers = np.arange(picture.shape[0] * picture.shape[1], dtype=np.int32)
        numbers = numbers.reshape(picture.shape[:2])
        colours, pairs = picture.astype(np.float64), []
        for down, right in NEIGHBOURS:
            here, there = _shifted(down, right), _shifted(-down, -right)
            apart = ((colours[here] - colours[there]) ** 2).sum(-1).ravel()
            distance = np.full(apart.size, np.hypot(down, right))
            pairs.append((numbers[here].ravel(), numbers[there].ravel(), apart, distance))
        one, other, apart, distance = map(np.concatenate, zip(*pairs, strict=True))
        beta = 1 / max(1e-9, 2 * apart.sum() / max(1, apart.size))
        held = np.rint(UNITS * GAMMA * np.exp(-beta * apart) / distance).astype(np.int32)
        return cls(one, other, held)


def cut(odds_hw: Floats, edges: Edges) -> Region:
    """(h, w) the region of least energy on a picture with these edges, by each pixel's log odds to
    be in it."""
    count = odds_hw.size
    odds = np.rint(UNITS * np.clip(odds_hw, -MOST, MOST)).astype(np.int32).ravel()
    inside, outside = np.flatnonzero(odds > 0), np.flatnonzero(odds < 0)
    source, sink = np.full(len(inside), count), np.full(len(outside), count + 1)
    tails = np.concatenate([edges.one, edges.other, source, outside])
    heads = np.concatenate([edges.other, edges.one, inside, sink])
    most = np.concatenate([edges.held, edges.held, odds[inside], -odds[outside]])
    graph = csr_array((most, (tails, heads)), shape=(count + 2, count + 2))
    left = graph - maximum_flow(graph, count, count + 1, method="dinic").flow
    left.eliminate_zeros()
    reached = breadth_first_order(left, count, return_predecessors=False)
    region = np.zeros(count + 2, bool)
    region[reached] = True
    return region[:count].reshape(odds_hw.shape)


def _shifted(down: int, right: int) -> tuple[slice, slice]:
    """The pixels that have a neighbour so far down and to the right."""
    return _span(down), _span(right)


def _span(step: int) -> slice:
    return slice(max(0, -step), -step if step > 0 else None)
