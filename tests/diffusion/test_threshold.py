"""The automatic threshold: found for each map from itself and its picture alone."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from pipeline.diffusion.mask import soft
from pipeline.diffusion.refine import refined
from pipeline.diffusion.threshold import STEP, automatic, half_levels

PLAIN = torch.zeros(1, 3, 64, 64)


def disc(side: int, radius: float) -> torch.Tensor:
    at = (torch.arange(side) + 0.5) / side - 0.5
    return at[:, None] ** 2 + at**2 < radius**2


def heat(radius: float, seed: int, inside: float = 1.0) -> torch.Tensor:
    """A disc of level `inside` on a tenth of it, blurred and noisy, (16, 16)."""
    fine = torch.where(disc(64, radius), inside, 0.1 * inside)[None, None]
    noise = torch.rand(16, 16, generator=torch.Generator().manual_seed(seed))
    return F.avg_pool2d(F.avg_pool2d(fine, 9, 1, 4), 4)[0, 0] * (0.8 + 0.4 * noise)


@pytest.mark.parametrize("radius", [0.15, 0.3, 0.45, 0.6])
def test_an_object_is_found_whatever_its_share_of_the_picture(radius: float) -> None:
    true = disc(64, radius)
    picture = torch.where(true, 0.8, -0.8).expand(1, 3, 64, 64)
    map_1hw = heat(radius, 1)[None]
    cut = automatic(map_1hw, picture, [0], 2)[:, None, None]
    found = refined(soft(map_1hw, cut, 0), picture, [0], 2)[0] > 0.5
    assert (found & true).sum() / (found | true).sum() > 0.93


@given(st.floats(1e-4, 1e4), st.sampled_from([0, 2]))
def test_the_unit_of_a_map_means_nothing(scale: float, cells: int) -> None:
    map_1hw = heat(0.3, 2)[None]
    one, other = (automatic(m, PLAIN, [0], cells) for m in (map_1hw, map_1hw * scale))
    # Rounding may choose the neighbour of two cuts that are as good.
    assert (other / scale / one).log().abs() < 1.01 * STEP


def test_the_cut_of_a_map_depends_on_no_other() -> None:
    maps = torch.stack([heat(0.2, 3), heat(0.4, 4), torch.full((16, 16), torch.nan)])
    pictures = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1
    together = automatic(maps, pictures, [1, 0, 1], 2)
    for t, image in enumerate([1, 0, 1]):
        alone = automatic(maps[[t]], pictures[[image]], [0], 2)
        assert torch.equal(together[[t]], alone) or t == 2
    assert together[:2].isfinite().all() and together[2].isnan()


def test_a_map_of_two_levels_is_cut_at_half_of_the_upper_one() -> None:
    two = torch.zeros(1, 16, 16)
    two[0, :4] = 5.0
    torch.testing.assert_close(half_levels(two), torch.tensor([2.5]))


def test_nothing_is_above_the_cut_of_a_map_of_zeros() -> None:
    nothing = torch.zeros(1, 16, 16)
    cut = automatic(nothing, PLAIN, [0], 2)
    assert cut > 0 and not soft(nothing, cut[:, None, None], 0).any()
