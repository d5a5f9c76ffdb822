"""What is known beforehand: transparency, what is protected, masks that are given."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from pipeline.diffusion.diffedit import diffedit
from pipeline.diffusion.refine import covered
from pipeline.diffusion.region import Prior, regions
from pipeline.diffusion.settings import Settings, Target, expected_evaluations
from pipeline.models._stable_diffusion import StableDiffusion

CELLS, SIDE = 8, 64
WAYS = [(0.35, 0), (0.35, 2), ("auto", 0), ("auto", 2)]


def plane(generator: torch.Generator, share: float = 0.5) -> torch.Tensor:
    """Random cells of 0 and 1, at the picture's size."""
    cells = (torch.rand(CELLS, CELLS, generator=generator) < share).float()
    return cells.repeat_interleave(8, 0).repeat_interleave(8, 1)


def cells(plane_HW: torch.Tensor) -> torch.Tensor:
    return plane_HW[::8, ::8] > 0


@pytest.mark.parametrize(("threshold", "refine"), WAYS)
@hypothesis_settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 2**32 - 1))
def test_nothing_is_edited_where_a_prior_forbids_it(
    threshold: float, refine: int, seed: int
) -> None:
    draw = torch.Generator().manual_seed(seed)
    maps = torch.rand(2, CELLS, CELLS, generator=draw)
    pictures = torch.rand(2, 3, SIDE, SIDE, generator=draw) * 2 - 1
    seen, protected, mask = (plane(draw) for _ in range(3))
    seen[0, 0] = 1
    settings = Settings(threshold=threshold, refine=refine)  # type: ignore[arg-type]
    limited = Prior(seen, protected, mask, instead=False)
    chosen, outline = regions(maps, pictures, [0, 1], settings, [limited, Prior()])
    allowed = (seen > 0) & (protected < 0.5) & (mask > 0.5)
    inside = outline[0] > 0.5
    if refine:
        assert not (inside & ~allowed).any()
    forbidden = ~cells(allowed.float())
    assert not (chosen[0] & forbidden).any()
    # And the other picture's mask is what it is alone.
    alone, _ = regions(maps[1:], pictures[1:], [0], settings, [Prior()])
    assert torch.equal(chosen[1:], alone)


@pytest.mark.parametrize(("threshold", "refine"), WAYS)
def test_what_is_not_seen_has_no_say_in_the_statistics(threshold: float, refine: int) -> None:
    draw = torch.Generator().manual_seed(4)
    maps = torch.rand(1, CELLS, CELLS, generator=draw)
    picture = torch.rand(1, 3, SIDE, SIDE, generator=draw) * 2 - 1
    seen = torch.ones(SIDE, SIDE)
    seen[:, 56:] = 0
    settings = Settings(threshold=threshold, refine=refine)  # type: ignore[arg-type]
    hot = maps.clone()
    hot[:, :, 7] *= 30
    cold_mask, hot_mask = (
        regions(m, picture, [0], settings, [Prior(seen)])[0] for m in (maps, hot)
    )
    # The filter's window reaches over: what is far from there must stay.
    far = slice(0, 2) if refine else slice(0, 7)
    assert torch.equal(cold_mask[..., far], hot_mask[..., far])
    blind, _ = regions(hot, picture, [0], settings, [Prior()])
    assert not blind[..., far].any()


@pytest.mark.parametrize("refine", [0, 2])
def test_a_given_mask_is_the_mask_and_costs_no_evaluations(
    model: StableDiffusion, pictures: torch.Tensor, refine: int
) -> None:
    settings = Settings(steps=4, noise_maps=3, threshold="auto", refine=refine)
    draw = torch.Generator().manual_seed(1)
    targets = [Target(i, "a mug", text) for i in (0, 1, 2) for text in ("a red mug", "a cup")]
    mask, full = plane(draw), torch.ones(SIDE, SIDE)
    priors = [Prior(given=mask), Prior(), Prior(given=full)]
    result = diffedit(model, pictures[:3], targets, [1, 2, 3], settings, priors)
    for edited in result.edits[:2]:
        assert torch.equal(edited.mask, covered(mask[None], (CELLS, CELLS))[0])
        assert edited.image is not None and not edited.heat.any()
    # A mask that is full because it was given is an edit of everything.
    assert [(e.state, e.image is None) for e in result.edits[4:]] == [("full", False)] * 2
    found = [i for i, e in enumerate(result.edits[2:4]) if e.image is not None]
    alone = diffedit(
        model, pictures[1:2], [replace(t, image=0) for t in targets[2:4]], [2], settings
    )
    for ours, theirs in zip(result.edits[2:4], alone.edits, strict=True):
        assert torch.equal(ours.mask, theirs.mask)
    if len(found) == 2:
        assert result.cost.evaluations == expected_evaluations(targets, settings, given=[0, 2])


def test_an_empty_given_mask_edits_nothing(model: StableDiffusion, pictures: torch.Tensor) -> None:
    settings = Settings(steps=4, noise_maps=3)
    empty = Prior(given=torch.zeros(SIDE, SIDE))
    result = diffedit(model, pictures[:1], [Target(0, "a", "b")], [1], settings, [empty])
    assert (result.edits[0].state, result.cost.evaluations) == ("empty", 0)
