"""The guided filter against known answers, and what it does to a mask."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from pipeline.diffusion.diffedit import diffedit
from pipeline.diffusion.refine import box, covered, guided, refined
from pipeline.diffusion.settings import Settings, Target


def disc(side: int, radius: float, x: float = 0.5, y: float = 0.5) -> torch.Tensor:
    rows, columns = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    return torch.hypot(rows - y * side, columns - x * side) < radius * side


def picture(inside: torch.Tensor, grain: float = 0.02) -> torch.Tensor:
    """(3, H, W) in [-1, 1]: red on grey, with a little noise."""
    colours = torch.tensor([[0.0, 0.0, 0.0], [0.7, -0.6, -0.5]])
    noise = torch.randn(3, *inside.shape, generator=torch.Generator().manual_seed(0))
    return colours[inside.long()].permute(2, 0, 1) + grain * noise


@pytest.mark.parametrize("radius", [1, 3, 9])
def test_a_box_is_the_mean_of_what_is_within_the_radius_and_the_picture(radius: int) -> None:
    x = torch.rand(2, 7, 5, generator=torch.Generator().manual_seed(0))
    means = box(x, radius)
    for row in range(7):
        for column in range(5):
            rows = slice(max(0, row - radius), row + radius + 1)
            window = x[:, rows, max(0, column - radius) : column + radius + 1]
            torch.testing.assert_close(means[:, row, column], window.mean((1, 2)))


def test_it_is_the_paper_s_linear_regression_in_each_window() -> None:
    """One window over all: the least-squares line (ridge apart) of the target on the guide."""
    draw = torch.Generator().manual_seed(1)
    guide, target = torch.rand(2, 6, 5, generator=draw), torch.rand(1, 6, 5, generator=draw)
    x = torch.cat([guide.flatten(1) - guide.flatten(1).mean(1, keepdim=True)])
    y = target.flatten() - target.mean()
    slope = torch.linalg.solve(x @ x.T / 30 + 1e-3 * torch.eye(2), x @ y / 30)
    expected = (slope @ x + target.mean()).view(1, 6, 5)
    torch.testing.assert_close(guided(target, guide, 99), expected)


def test_a_target_that_is_a_part_of_the_guide_stays() -> None:
    guide = picture(disc(64, 0.3), grain=0) / 2 + 0.5
    target = guide[:1] * 0.5 + 0.2
    torch.testing.assert_close(guided(target, guide, 4), target, atol=0.01, rtol=0)


def test_fewer_places_change_little(monkeypatch: pytest.MonkeyPatch) -> None:
    thing = disc(128, 0.27)
    target = F.avg_pool2d(thing.float()[None], 17, 1, 8)
    guide = picture(thing) / 2 + 0.5
    fast = guided(target, guide, 16)
    monkeypatch.setattr("pipeline.diffusion.refine.PLACES", 16)  # every pixel
    exact = guided(target, guide, 16)
    assert (fast - exact).abs().mean() < 0.002
    assert ((fast > 0.5) != (exact > 0.5)).sum() < 0.005 * thing.sum()


def test_the_outline_follows_the_edges_of_the_picture() -> None:
    thing = disc(128, 0.27)
    blurred = F.avg_pool2d(thing.float()[None, None], 24, 8, 12, count_include_pad=False)[0]
    soft = blurred[:, :16, :16]
    outline = refined(soft, picture(thing)[None], [0], 2)
    before = F.interpolate(soft[None], 128, mode="bicubic")[0, 0] > 0.5
    wrong_before, wrong = (before != thing).sum(), ((outline[0] > 0.5) != thing).sum()
    assert wrong < 0.2 * wrong_before
    cells = covered(outline, (16, 16))[0]
    missed = thing & ~cells.repeat_interleave(8, 0).repeat_interleave(8, 1)
    assert missed.sum() < 0.02 * thing.sum()


def test_where_a_picture_has_no_edges_the_mask_is_smoothed_and_moves_less_than_a_cell() -> None:
    whole = disc(16, 0.3).float()[None]
    soft = torch.where(disc(16, 0.08), 0.0, whole)
    outline = (refined(soft, torch.zeros(1, 3, 128, 128), [0], 2) > 0.5).float()
    before = (F.interpolate(whole[None], 128, mode="bicubic")[0] > 0.5).float()

    def grown(mask: torch.Tensor) -> torch.Tensor:
        return F.max_pool2d(mask, 17, 1, 8)

    assert (outline <= grown(before)).all() and (before <= grown(outline)).all()


def test_masks_of_one_picture_and_of_others_do_not_touch() -> None:
    pictures = torch.stack([picture(disc(64, 0.3)), picture(disc(64, 0.2, 0.4))])
    soft = torch.rand(3, 8, 8, generator=torch.Generator().manual_seed(2))
    soft[2, 3, 3] = torch.nan
    together = refined(soft, pictures, [1, 0, 1], 2)
    for t, image in enumerate([1, 0, 1]):
        alone = refined(soft[[t]], pictures[[image]], [0], 2)[0]
        torch.testing.assert_close(together[t], alone, equal_nan=True)
    assert together[:2].isfinite().all() and together[2].isnan().any()


@pytest.mark.parametrize("refine", [0, 2])
def test_cells_and_outline_of_an_edit_agree(model: object, refine: int) -> None:
    image = picture(disc(64, 0.3))[None]
    settings = Settings(steps=2, noise_maps=2, threshold=0.3, refine=refine)
    targets = [Target(0, "a mug", "a red mug")]
    edited = diffedit(model, image, targets, [3], settings).edits[0]  # type: ignore[arg-type]
    size = (64, 64) if refine else (8, 8)
    assert edited.outline.shape == size and edited.mask.shape == (8, 8)
    assert torch.equal(edited.mask, covered(edited.outline[None], (8, 8))[0]) or not refine
    assert (edited.state == "empty") == (not edited.mask.any())
