"""Masks: parity with diffusers where it is right, and the case where its batch is wrong."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from pipeline.diffusion.batching import Cost
from pipeline.diffusion.mask import Contrast, binary, heat_maps, normalized, soft
from pipeline.diffusion.noise import noise_maps
from pipeline.diffusion.schedule import Schedule
from pipeline.diffusion.settings import level
from pipeline.models._stable_diffusion import StableDiffusion

MAPS, STEPS, STRENGTH = 6, 10, 0.5


def _ours(model: StableDiffusion, x0: Tensor, noise: Tensor, pairs: list[tuple[str, str]]) -> Any:
    schedule = Schedule.of(model, STEPS, (8, 8))
    contrasts = [Contrast(i, level(STEPS, STRENGTH), *pair) for i, pair in enumerate(pairs)]
    heat = normalized(heat_maps(model, schedule, x0, noise, contrasts, Cost()), 3.0)
    return binary(heat, 0.5, 0).numpy()


def _theirs(
    reference: Any, x0: Tensor, seed: int, pairs: list[tuple[str, str]], guidance: float = 7.5
) -> Any:
    mask = reference.generate_mask(
        image=x0,
        source_prompt=[source for source, _ in pairs],
        target_prompt=[target for _, target in pairs],
        num_maps_per_mask=MAPS,
        mask_encode_strength=STRENGTH,
        num_inference_steps=STEPS,
        guidance_scale=guidance,
        generator=torch.Generator().manual_seed(seed),
    )
    return mask.astype(bool)


@pytest.mark.parametrize("pair", [("a red mug", "a blue lamp"), ("", "a green chair")])
@pytest.mark.parametrize("seed", [1, 2])
def test_one_image_equals_diffusers_bit_for_bit(
    model: StableDiffusion, reference: Any, pictures: Tensor, pair: tuple[str, str], seed: int
) -> None:
    x0 = model.encode(pictures[:1])
    ours = _ours(model, x0, noise_maps(seed, MAPS, (4, 8, 8))[None], [pair])
    theirs = _theirs(reference, x0, seed, [pair])
    assert ours.any()
    assert np.array_equal(ours, theirs)


def test_the_reference_lets_one_image_change_the_mask_of_another(
    model: StableDiffusion, reference: Any, pictures: Tensor
) -> None:
    x0 = model.encode(pictures[:2])
    pairs = [("a red mug", "a red mugs"), ("", "the quick brown fox jumps")]
    noise = noise_maps(1, 2 * MAPS, (4, 8, 8)).unflatten(0, (2, MAPS))

    together, alone = _theirs(reference, x0, 1, pairs), _theirs(reference, x0[:1], 1, pairs[:1])
    assert not np.array_equal(together[:1], alone)

    together, alone = _ours(model, x0, noise, pairs), _ours(model, x0[:1], noise[:1], pairs[:1])
    assert alone.any()
    assert np.array_equal(together[:1], alone)


def test_a_map_is_clipped_at_its_own_mean() -> None:
    heat = normalized(torch.tensor([[[0.0, 1.0], [2.0, 9.0]]]), clamp=2.0)  # mean 3, limit 6
    torch.testing.assert_close(heat, torch.tensor([[[0.0, 1 / 6], [1 / 3, 1.0]]]))


def test_equal_texts_leave_nothing_to_edit(model: StableDiffusion, pictures: Tensor) -> None:
    noise = noise_maps(1, MAPS, (4, 8, 8))[None]
    assert not _ours(model, model.encode(pictures[:1]), noise, [("a red mug", "a red mug")]).any()


def test_dilation_grows_in_all_directions_and_stops_at_the_border() -> None:
    heat = torch.zeros(1, 5, 5)
    heat[0, 0, 2] = 1
    grown = binary(heat, 0.5, 1)[0]
    assert grown.nonzero().tolist() == [[0, 1], [0, 2], [0, 3], [1, 1], [1, 2], [1, 3]]


def test_predictions_are_shared_by_all_targets_of_an_image(
    model: StableDiffusion, pictures: Tensor
) -> None:
    schedule, cost = Schedule.of(model, STEPS, (8, 8)), Cost()
    contrasts = [Contrast(0, 5, "a red mug", f"a {colour} mug") for colour in ("blue", "green")]
    contrasts += [Contrast(0, 5, "a blue mug", "a red mug"), Contrast(0, 3, "a red mug", "a cup")]
    x0, noise = model.encode(pictures[:1]), noise_maps(1, MAPS, (4, 8, 8))[None]
    heat = heat_maps(model, schedule, x0, noise, contrasts, cost)
    assert cost.evaluations == MAPS * 5  # red, blue, green at level 5; red, cup at level 3
    assert torch.equal(heat[0], heat[2])  # |a − b| is |b − a|


@pytest.mark.parametrize("dilate", [0, 1])
def test_the_soft_mask_is_a_half_where_the_mask_ends(dilate: int) -> None:
    heat = torch.rand(3, 9, 7, generator=torch.Generator().manual_seed(0))
    outlined = soft(heat, 0.35, dilate)
    assert torch.equal(outlined > 0.5, binary(heat, 0.35, dilate))
    assert outlined.min() >= 0 and outlined.max() == 1
    torch.testing.assert_close(soft(torch.tensor([[[0.35]]]), 0.35, 0), torch.tensor([[[0.5]]]))
