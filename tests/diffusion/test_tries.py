"""Several tries at an edit in one batch: what they share is done once, and none sees another."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import HealthCheck, given
from hypothesis import settings as profile
from hypothesis import strategies as st
from torch import Tensor

from pipeline.diffusion.diffedit import diffedit
from pipeline.diffusion.settings import Settings, Target, expected_evaluations
from pipeline.models._stable_diffusion import StableDiffusion
from pipeline.variants import Range, Variants
from tests.diffusion.test_diffedit import SEEDS, _same

SETTINGS = Settings(steps=4, noise_maps=2, threshold="auto", refine=2)
DRAWN = Variants(
    tries=3,
    by="edit_change",
    mask_strength=(0.25, 0.5),
    mask_threshold=(0.3, 0.4, 0.5),
    mask_dilate=(0, 1),
    encoding_ratio=Range(min=0.5, max=1),
    guidance_scale=(1, 5),
)


def tried(image: int, words: tuple[str, ...], variants: Variants = DRAWN) -> list[Target]:
    """The tries at each of an image's targets, as the edit stage has them."""
    numbers = ("mask_strength", "encoding_ratio", "guidance_scale")
    found = []
    for word in words:
        for each in variants.drawn(SEEDS[image]):
            given = {name: getattr(each, name) for name in numbers if getattr(each, name)}
            more = (each.seed, each.mask_threshold, each.mask_dilate)
            made = Target(image, "a red mug", f"a {word} mug", **given)
            found.append(replace(made, seed=more[0], threshold=more[1], dilate=more[2]))
    return found


EDITS = [
    t for i, words in enumerate((("blue",), ("green", "blue"), ("red",))) for t in tried(i, words)
]


@profile(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(order=st.permutations(range(len(EDITS))), size=st.integers(1, 5))
def test_any_order_and_micro_batch_is_each_alone(
    model: StableDiffusion, pictures: Tensor, alone: dict[int, object], order: list[int], size: int
) -> None:
    before, model.rows.size = model.rows.size, size
    try:
        made = diffedit(model, pictures, [EDITS[i] for i in order], SEEDS, SETTINGS)
    finally:
        model.rows.size = before
    for i, edited in zip(order, made.edits, strict=True):
        _same(edited, alone[i])
    if all(edited.image is not None for edited in made.edits):
        assert made.cost.evaluations == expected_evaluations(EDITS, SETTINGS)


@pytest.fixture(scope="module")
def alone(model: StableDiffusion, pictures: Tensor) -> dict[int, object]:
    """Each try by itself."""
    return {
        i: diffedit(
            model, pictures[[t.image]], [replace(t, image=0)], [SEEDS[t.image]], SETTINGS
        ).edits[0]
        for i, t in enumerate(EDITS)
    }


def test_tries_share_what_is_the_same(model: StableDiffusion, pictures: Tensor) -> None:
    settings = replace(SETTINGS, threshold=0.4, refine=0)
    variants = Variants(tries=3, by="edit_change", noise=False, guidance_scale=(3, 5, 7))
    targets = tried(0, ("blue", "green"), variants)
    result = diffedit(model, pictures[:1], targets, SEEDS[:1], settings)
    assert [edited.state for edited in result.edits] == ["partial"] * 6
    # Two maps of one source and two targets, one inversion, six decodings guided throughout.
    assert result.cost.evaluations == 2 * 3 + 2 + 6 * 2 * 2
    assert result.cost.evaluations == expected_evaluations(targets, settings)
    assert (result.cost.encodes, result.cost.decodes) == (1, 6)
    own = tried(0, ("blue", "green"), variants.model_copy(update={"noise": True}))
    more = diffedit(model, pictures[:1], own, SEEDS[:1], settings).cost.evaluations
    assert more == 2 * 3 * 3 + 2 + 6 * 2 * 2 == expected_evaluations(own, settings)


def test_another_seed_is_another_mask_and_the_first_try_has_the_images(
    model: StableDiffusion, pictures: Tensor
) -> None:
    variants = Variants(tries=2, by="edit_change")
    first, second = variants.drawn(SEEDS[0])
    assert first.seed == SEEDS[0] != second.seed
    one, other = diffedit(
        model, pictures[:1], tried(0, ("blue",), variants), SEEDS[:1], SETTINGS
    ).edits
    plain = diffedit(
        model, pictures[:1], [Target(0, "a red mug", "a blue mug")], SEEDS[:1], SETTINGS
    ).edits[0]
    _same(one, plain)
    assert not torch.equal(one.heat, other.heat)
