"""Whole things: holes of their own colour filled, openings kept, specks dropped."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.images.whole import tidy, whole

SIDE = 64
GREEN, RED, WHITE = (-0.6, 0.4, -0.6), (0.7, -0.7, -0.7), (1.0, 1.0, 1.0)


def square(side: int, top: int = 16, left: int = 16) -> torch.Tensor:
    region = torch.zeros(SIDE, SIDE, dtype=torch.bool)
    region[top : top + side, left : left + side] = True
    return region


def painted(thing: torch.Tensor, hole: torch.Tensor, colour: tuple[float, ...]) -> torch.Tensor:
    """A red thing on green, with a hole of a colour, (3, H, W)."""
    planes = [torch.full((SIDE, SIDE), value) for value in GREEN]
    for plane, red, value in zip(planes, RED, colour, strict=True):
        plane[thing], plane[hole] = red, value
    return torch.stack(planes)


@pytest.mark.parametrize(("colour", "filled"), [(WHITE, True), (GREEN, False), (RED, True)])
def test_a_highlight_is_filled_and_an_opening_is_not(
    colour: tuple[float, ...], filled: bool
) -> None:
    thing, hole = square(32), square(6, 24, 24)
    outline = (thing & ~hole).float()
    found = whole(outline, painted(thing, hole, colour), True, 0.0) > 0.5
    assert torch.equal(found, thing if filled else thing & ~hole)


def test_what_a_mask_of_the_background_leaves_out_is_no_hole() -> None:
    thing = square(20)
    outline = (~thing).float()
    assert torch.equal(whole(outline, painted(thing, thing, RED), True, 0.0), outline)


def test_a_speck_is_dropped_and_a_part_stays() -> None:
    outline = (square(30) | square(10, 50, 50) | square(2, 2, 2)).float()
    picture = torch.zeros(3, SIDE, SIDE)
    found = whole(outline, picture, False, 0.02) > 0.5
    assert torch.equal(found, square(30) | square(10, 50, 50))


def test_nothing_asked_for_is_nothing_done() -> None:
    assert tidy(False, True, False, 0.0) is None


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32 - 1), st.floats(0, 1), st.booleans())
def test_any_outline_comes_back_in_range_and_finite_where_it_was(
    seed: int, island: float, fill: bool
) -> None:
    rng = np.random.default_rng(seed)
    outline = torch.from_numpy(rng.random((SIDE, SIDE), np.float32))
    outline[rng.random((SIDE, SIDE)) < 0.01] = torch.nan
    picture = torch.from_numpy(rng.uniform(-1, 1, (3, SIDE, SIDE)).astype(np.float32))
    found = whole(outline, picture, fill, island)
    same = (found == outline) | (found.isnan() & outline.isnan())
    assert (same | (found == 0) | (found == 1)).all()
    assert (found > 0.5).any()
