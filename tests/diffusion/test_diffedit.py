"""DiffEdit whole: independence of rows, sharing, empty and full masks, numbers that break."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from pipeline.diffusion.batching import Cost
from pipeline.diffusion.denoiser import Cond
from pipeline.diffusion.diffedit import Edited, diffedit
from pipeline.diffusion.edit import Decoding, edit
from pipeline.diffusion.invert import invert
from pipeline.diffusion.schedule import Schedule
from pipeline.diffusion.settings import Settings, Target, expected_evaluations
from pipeline.models._stable_diffusion import StableDiffusion
from tests.diffusion.analytic import Frozen, Gaussian, scheduler_of

SETTINGS = Settings(steps=10, noise_maps=4, threshold=0.4)
SEEDS = [11, 12, 13, 14]
TARGETS = [
    Target(0, "a red mug", "a blue lamp", 0.5, 0.7, 7.5),
    Target(1, "", "a green chair", 0.3, 1.0, 3.0),
    Target(2, "a red shoe", "a red ball", 0.8, 0.2, 1.0),
    Target(3, "a lamp", "a wooden lamp", 0.5, 0.5, 0.0),
]


def _alone(model: Any, pictures: Tensor, target: Target, settings: Settings = SETTINGS) -> Edited:
    i = target.image
    result = diffedit(model, pictures[i : i + 1], [replace(target, image=0)], [SEEDS[i]], settings)
    return result.edits[0]


def _same(one: Edited, other: Edited) -> None:
    assert torch.equal(one.mask, other.mask)
    assert one.state == other.state
    torch.testing.assert_close(one.heat, other.heat, rtol=1e-4, atol=1e-4)
    assert (one.image is None) == (other.image is None)
    if one.image is not None and other.image is not None:
        torch.testing.assert_close(one.image, other.image, rtol=1e-4, atol=1e-4)


def test_a_batch_of_four_is_four_batches_of_one(model: StableDiffusion, pictures: Tensor) -> None:
    """Each row has its own strength, ratio and guidance, and joins the denoising at its level."""
    result = diffedit(model, pictures, TARGETS, SEEDS, SETTINGS)
    assert [edited.state for edited in result.edits] == ["partial"] * 4
    for target, edited in zip(TARGETS, result.edits, strict=True):
        _same(edited, _alone(model, pictures, target))
    assert result.cost == Cost(expected_evaluations(TARGETS, SETTINGS), encodes=4, decodes=4)


def test_guidance_that_stops_early_saves_evaluations_and_keeps_rows_apart(
    model: StableDiffusion, pictures: Tensor
) -> None:
    settings = replace(SETTINGS, guidance_stop=0.25)
    result = diffedit(model, pictures, TARGETS, SEEDS, settings)
    for target, edited in zip(TARGETS, result.edits, strict=True):
        _same(edited, _alone(model, pictures, target, settings))
    assert [list(target.guided(settings)) for target in TARGETS] == [[7, 6], [10, 9, 8], [], [5, 4]]
    saved = (7 - 2) + (10 - 3) + (5 - 2)
    everywhere = expected_evaluations(TARGETS, SETTINGS)
    assert result.cost.evaluations == expected_evaluations(TARGETS, settings) == everywhere - saved


def test_v_prediction_too(v_model: StableDiffusion, pictures: Tensor) -> None:
    result = diffedit(v_model, pictures, TARGETS, SEEDS, SETTINGS)
    assert any(edited.image is not None for edited in result.edits)
    for target, edited in zip(TARGETS, result.edits, strict=True):
        _same(edited, _alone(v_model, pictures, target))


def test_the_order_of_images_and_targets_does_not_matter(
    model: StableDiffusion, pictures: Tensor
) -> None:
    forward = diffedit(model, pictures, TARGETS, SEEDS, SETTINGS).edits
    turned = [replace(target, image=3 - target.image) for target in reversed(TARGETS)]
    backward = diffedit(model, pictures.flip(0), turned, SEEDS[::-1], SETTINGS).edits
    for one, other in zip(forward, reversed(backward), strict=True):
        _same(one, other)


def test_the_micro_batch_does_not_matter(model: StableDiffusion, pictures: Tensor) -> None:
    before = diffedit(model, pictures, TARGETS, SEEDS, SETTINGS).edits
    size, model.rows.size = model.rows.size, 3
    try:
        after = diffedit(model, pictures, TARGETS, SEEDS, SETTINGS).edits
    finally:
        model.rows.size = size
    for one, other in zip(before, after, strict=True):
        _same(one, other)


def test_targets_of_one_image_share_their_work(model: StableDiffusion, pictures: Tensor) -> None:
    names = ["a blue lamp", "a green chair", "a wooden ball"]
    targets = [Target(0, "a red mug", name, 0.5, 0.8 - 0.2 * i) for i, name in enumerate(names)]
    shared = diffedit(model, pictures[:1], targets, SEEDS[:1], SETTINGS)
    for target, edited in zip(targets, shared.edits, strict=True):
        _same(edited, _alone(model, pictures, target))
    # Maps: 4 × (source + 3 targets). Inversion: to the highest of 8, 6, 4. Guided: twice each.
    assert shared.cost == Cost(4 * 4 + 8 + 2 * (8 + 6 + 4), encodes=1, decodes=3)
    assert shared.cost.evaluations < sum(expected_evaluations([t], SETTINGS) for t in targets)


def test_one_mask_for_all_targets_is_the_firsts_and_costs_once(
    model: StableDiffusion, pictures: Tensor
) -> None:
    colours = ["blue", "green", "white"]
    alone = [Target(0, "a red mug", f"a {colour} mug", denoise=False) for colour in colours]
    shared = [replace(target, mask_prompt=alone[0].target_prompt) for target in alone]
    first = diffedit(model, pictures[:1], alone[:1], SEEDS[:1], SETTINGS)
    together = diffedit(model, pictures[:1], shared, SEEDS[:1], SETTINGS)
    for edited in together.edits:
        _same(edited, first.edits[0])
    assert together.cost.evaluations == first.cost.evaluations == 2 * SETTINGS.noise_maps
    assert expected_evaluations(shared, SETTINGS) == 2 * SETTINGS.noise_maps
    denoised = diffedit(
        model, pictures[:1], [replace(shared[2], denoise=True)], SEEDS[:1], SETTINGS
    )
    assert torch.equal(denoised.edits[0].mask, first.edits[0].mask)


def test_an_empty_mask_returns_the_input_and_costs_no_denoising(
    model: StableDiffusion, pictures: Tensor
) -> None:
    targets = [Target(0, "a red mug", "a red mug"), TARGETS[1]]
    empty, edited = diffedit(model, pictures[:2], targets, SEEDS[:2], SETTINGS).edits
    assert (empty.state, empty.image, empty.error) == ("empty", None, None)
    _same(edited, _alone(model, pictures, TARGETS[1]))
    only = diffedit(model, pictures[:1], targets[:1], SEEDS[:1], SETTINGS)
    assert only.cost == Cost(SETTINGS.noise_maps, encodes=1, decodes=0)


def test_with_a_frozen_noise_editing_undoes_inverting() -> None:
    noise = torch.randn(2, 3, 6, 6, generator=torch.Generator().manual_seed(0))
    frozen = Frozen({"": noise[0], "target": noise[0]})
    schedule = Schedule.of(frozen, 20, (8, 8))
    x0 = noise[1:]
    trajectory = invert(frozen, schedule, x0, [20], "ddim", Cost())
    everywhere = torch.ones(1, 6, 6, dtype=torch.bool)
    back = edit(
        frozen, schedule, trajectory, everywhere, [Decoding(0, 20, "target", 5)], "ddim", Cost()
    )
    torch.testing.assert_close(back, x0, rtol=1e-4, atol=1e-4)


def test_a_full_mask_is_told_and_nothing_is_spent_on_it(
    model: StableDiffusion, pictures: Tensor
) -> None:
    settings = replace(SETTINGS, dilate=16)
    result = diffedit(model, pictures[:1], TARGETS[:1], SEEDS[:1], settings)
    assert (result.edits[0].state, result.edits[0].image) == ("full", None)
    assert result.cost.evaluations == 2 * settings.noise_maps
    assert result.cost.decodes == 0


@pytest.mark.parametrize("guided", [range(1, 11), range(4, 7), range(0)])
def test_an_edit_everywhere_is_plain_ddim_from_the_inverted_latent(
    guided: range, model: StableDiffusion, pictures: Tensor
) -> None:
    settings = SETTINGS
    scheduler = scheduler_of(model, set_alpha_to_one=True)
    scheduler.set_timesteps(settings.steps)
    schedule = Schedule.of(model, settings.steps, (8, 8))
    x = invert(model, schedule, model.encode(pictures[:1]), [7], "ddim", Cost())[7]
    text = model.text(["", "a blue lamp"])["text"]
    for t, time in zip(range(7, 0, -1), scheduler.timesteps[-7:], strict=True):
        empty, target = model._network(x.repeat(2, 1, 1, 1), time, text).sample.chunk(2)
        eps = empty + (7.5 if t in guided else 1) * (target - empty)
        x = scheduler.step(eps, time, x).prev_sample
    everywhere = torch.ones(1, *x.shape[-2:], dtype=torch.bool)
    trajectory = invert(model, schedule, model.encode(pictures[:1]), [7], "ddim", Cost())
    decoding = [Decoding(0, 7, "a blue lamp", 7.5, guided)]
    found = edit(model, schedule, trajectory, everywhere, decoding, "ddim", Cost())
    torch.testing.assert_close(found, x, rtol=1e-4, atol=1e-4)


def test_the_reference_leaves_noise_in_the_background_and_ours_does_not(
    model: StableDiffusion, reference: Any, pictures: Tensor
) -> None:
    x0 = model.encode(pictures[:1])
    mask = torch.zeros(1, 8, 8, dtype=torch.bool)
    mask[:, 2:5, 2:5] = True
    inverted = reference.invert(
        prompt="", image=x0, num_inference_steps=10, inpaint_strength=0.7, guidance_scale=1.0
    )
    theirs = reference(
        prompt="a blue lamp",
        mask_image=mask[None].float(),
        image_latents=inverted.latents,
        inpaint_strength=0.7,
        num_inference_steps=10,
        output_type="latent",
    ).images
    schedule = Schedule.of(model, 10, (8, 8))
    trajectory = invert(model, schedule, x0, [7], "ddim", Cost())
    ours = edit(
        model, schedule, trajectory, mask, [Decoding(0, 7, "a blue lamp", 7.5)], "ddim", Cost()
    )

    outside = ~mask[:, None].expand_as(x0)
    assert torch.equal(ours[outside], x0[outside])
    assert not torch.equal(ours[~outside], x0[~outside])
    level_one = inverted.latents[:, -1]  # theirs, noisiest first
    torch.testing.assert_close(theirs[outside], level_one[outside])
    assert not torch.allclose(theirs[outside], x0[outside], atol=1e-3)


def test_each_level_outside_of_the_mask_is_the_inverted_latent_of_that_level() -> None:
    generator = torch.Generator().manual_seed(0)
    x0, mean, other = torch.randn(3, 1, 3, 4, 4, generator=generator)
    denoiser = Gaussian({"": mean[0], "target": other[0]})
    schedule = Schedule.of(denoiser, 8, (8, 8))
    trajectory = invert(denoiser, schedule, x0, [8], "ddim", Cost())
    seen: dict[int, Tensor] = {}

    def eps(x_BCHW: Tensor, t_B: Tensor, cond: Any) -> Tensor:
        seen[int(t_B[0])] = x_BCHW[0]
        return Gaussian.eps(denoiser, x_BCHW, t_B, cond)

    denoiser.eps = eps  # type: ignore[method-assign]
    mask = torch.zeros(1, 4, 4, dtype=torch.bool)
    mask[0, 1:3, 1:3] = True
    edit(denoiser, schedule, trajectory, mask, [Decoding(0, 8, "target", 1)], "ddim", Cost())
    assert len(seen) == 8
    for t, time in enumerate(schedule.times.tolist()[1:], 1):
        assert torch.equal(seen[time][:, ~mask[0]], trajectory[t, 0][:, ~mask[0]])


@pytest.mark.parametrize("broken", ["a blue lamp", "a red mug"])
def test_a_row_that_stops_being_finite_fails_alone(
    model: StableDiffusion, pictures: Tensor, broken: str
) -> None:
    """NaN under one prompt, as a text that overflows in float16 gives."""
    state = {"text": model.text([broken])["text"][0]}
    model._texts[broken] = {"text": torch.full_like(state["text"], torch.nan)}
    try:
        edits = diffedit(model, pictures, TARGETS, SEEDS, SETTINGS).edits
    finally:
        model._texts[broken] = state
    assert edits[0].error is not None
    assert (edits[0].error.kind, edits[0].image) == ("nan", None)
    for target, edited in zip(TARGETS[1:], edits[1:], strict=True):
        assert edited.error is None
        _same(edited, _alone(model, pictures, target))


def test_a_picture_that_is_not_finite_fails_alone(model: StableDiffusion, pictures: Tensor) -> None:
    spoiled = pictures.clone()
    spoiled[2, 0, 0, 0] = torch.inf
    edits = diffedit(model, spoiled, TARGETS, SEEDS, SETTINGS).edits
    assert [edited.error is not None for edited in edits] == [False, False, True, False]


def test_no_targets_cost_nothing(model: StableDiffusion, pictures: Tensor) -> None:
    assert diffedit(model, pictures, [], SEEDS, SETTINGS).cost == Cost()


class Told(Frozen):
    """Its answer goes with the guidance that it is told."""

    told = True

    def eps(self, x_BCHW: Tensor, t_B: Tensor, cond: Cond) -> Tensor:
        self.heard.append(cond["guidance"].tolist())
        return cond["mean"] * cond["guidance"].view(-1, 1, 1, 1)


def test_a_network_that_is_told_its_guidance_is_asked_once_a_step() -> None:
    """1 for masks, inversion and the steps after the guided ones, the target's own before."""
    ramp = torch.arange(16.0).view(4, 4).expand(3, 4, 4) / 16
    means = {"": torch.zeros(3, 4, 4), "a": torch.zeros(3, 4, 4), "b": ramp}
    denoiser = Told(means)
    denoiser.told, denoiser.heard = True, []
    settings = Settings(steps=4, noise_maps=2, guidance_stop=0.5)
    targets = [Target(0, "a", "b", encoding_ratio=1.0, guidance_scale=3.5)]
    result = diffedit(denoiser, torch.rand(1, 3, 4, 4), targets, [0], settings)
    assert result.cost.evaluations == expected_evaluations(targets, settings, told=True) == 4 + 8
    heard = [g for call in denoiser.heard for g in call]
    assert heard == [1.0] * 8 + [3.5, 3.5, 1.0, 1.0]


def test_a_mask_alone_is_the_mask_of_the_whole_edit_and_denoises_nothing(
    model: StableDiffusion, pictures: Tensor
) -> None:
    whole = diffedit(model, pictures, TARGETS, SEEDS, SETTINGS)
    masks = [replace(target, denoise=False) for target in TARGETS]
    alone = diffedit(model, pictures, masks, SEEDS, SETTINGS)
    for one, other in zip(alone.edits, whole.edits, strict=True):
        assert torch.equal(one.outline, other.outline)
        assert one.image is None and one.found == other.found == (other.image is not None)
    assert alone.cost.evaluations == expected_evaluations(masks, SETTINGS)
    assert alone.cost.decodes == 0 < whole.cost.decodes
