"""The cut is the region of least energy, whatever the picture; and what that is good for."""

from __future__ import annotations

from itertools import product

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from pipeline.images.cut import GAMMA, MOST, UNITS, Edges, cut

SIDE = 3
REGIONS = np.array(list(product((False, True), repeat=SIDE * SIDE))).reshape(-1, SIDE, SIDE)


def energies(odds: NDArray[np.float64], picture: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Of each region: the sum of Boykov and Jolly's, a pair at a time."""
    found = np.where(REGIONS, -odds, 0.0).sum((1, 2))
    places = list(np.ndindex(SIDE, SIDE))
    pairs = [(a, b) for a in places for b in places if a < b and max(abs(np.subtract(a, b))) == 1]
    apart = [((picture[a].astype(float) - picture[b]) ** 2).sum() for a, b in pairs]
    beta = 1 / max(1e-9, 2 * np.mean(apart))
    for (a, b), squared in zip(pairs, apart, strict=True):
        cost = GAMMA * np.exp(-beta * squared) / np.hypot(*np.subtract(a, b))
        found += cost * (REGIONS[:, *a] != REGIONS[:, *b])
    return found


@settings(deadline=None, max_examples=100)
@given(st.integers(0, 2**32 - 1), st.sampled_from([0.1, 2.0, 10.0]), st.booleans())
def test_no_region_has_less_energy(seed: int, scale: float, flat: bool) -> None:
    rng = np.random.default_rng(seed)
    odds = np.clip(rng.normal(0, scale, (SIDE, SIDE)), -MOST, MOST)
    picture = np.full((SIDE, SIDE, 3), 90, np.uint8)
    if not flat:
        picture = rng.integers(0, 256, picture.shape, np.uint8)
    all_of_them = energies(odds, picture)
    ours = np.flatnonzero((cut(odds, Edges.of(picture)) == REGIONS).all((1, 2))).item()
    rounding = 30 / UNITS  # of 9 pixels and 20 pairs, half a unit each
    assert all_of_them[ours] <= all_of_them.min() + rounding


def test_what_each_pixel_half_tells_is_told_by_all_of_a_patch() -> None:
    picture = np.full((60, 60, 3), 220, np.uint8)
    picture[20:40, 40:50] = 120  # the shadow beside the thing
    picture[20:40, 20:40] = picture[40:55, 22:25] = 60
    thing = picture[..., 0] == 60
    odds = np.where(thing, 0.5, -0.5) + np.random.default_rng(0).normal(0, 1, thing.shape)
    assert ((odds > 0) != thing).mean() > 0.25
    assert (cut(odds, Edges.of(picture)) == thing).all()


def test_all_or_nothing_is_no_error() -> None:
    picture = np.zeros((5, 9, 3), np.uint8)
    edges, one = Edges.of(picture), Edges.of(picture[:1, :1])
    assert cut(np.ones((5, 9)), edges).all() and not cut(-np.ones((5, 9)), edges).any()
    assert cut(np.ones((1, 1)), one).all()
