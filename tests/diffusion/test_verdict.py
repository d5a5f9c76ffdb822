"""The model's verdict on a picture, worked out row by row."""

from __future__ import annotations

import pytest
import torch

from pipeline.diffusion.noise import noise_maps
from pipeline.diffusion.schedule import Schedule
from pipeline.diffusion.verdict import LEVELS, NOISE_MAPS, STEPS, verdicts
from pipeline.metrics import model_verdict
from pipeline.section import build


def test_a_verdict_is_the_ratio_of_the_errors(tiny_model) -> None:
    from pipeline.models.stable_diffusion import Config

    model = build(Config(type="stable_diffusion", path=str(tiny_model)))
    side = model.resolution
    pictures = torch.rand(2, 3, side, side, generator=torch.Generator().manual_seed(0)) * 2 - 1
    h = side // model.factor
    cells = torch.zeros(2, h, h, dtype=torch.bool)
    cells[0, : h // 2], cells[1, 0, 0] = True, True
    texts = [("a red mug", "a blue mug"), ("a mug", "a lawn")]
    found = verdicts(model, pictures, cells, texts, [1, 2])
    with torch.inference_mode():
        schedule = Schedule.of(model, STEPS, (h, h))
        for b, (picture, pair) in enumerate(zip(pictures, texts, strict=True)):
            x0 = model.encode(picture[None])
            ratios = []
            for level in LEVELS:
                errors = []
                for text in pair:
                    noise = noise_maps(b + 1, NOISE_MAPS, tuple(x0.shape[1:]))
                    x = schedule.alphas[level] * x0 + schedule.sigmas[level] * noise
                    times = schedule.times[level].expand(NOISE_MAPS)
                    eps = model.eps(x, times, model.text([text] * NOISE_MAPS))
                    errors.append(float(((eps - noise) ** 2).mean(1)[:, cells[b]].mean()))
                ratios.append(1 - errors[1] / errors[0])
            assert found[b] == pytest.approx(sum(ratios) / len(ratios), abs=1e-5)
    assert verdicts(model, pictures[:1], cells[:1], [("a mug", "a mug")], [1]) == [0]
    assert 2 * len(LEVELS) * NOISE_MAPS == model_verdict.EVALUATIONS
