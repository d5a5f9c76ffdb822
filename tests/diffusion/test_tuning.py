"""Choosing a micro-batch: by a device whose speed is made up, so that no clock decides the test."""

from __future__ import annotations

import pytest
import torch

from pipeline.diffusion import tuning
from pipeline.diffusion.tuning import fastest_micro_batch, rows_a_second
from pipeline.models._stable_diffusion import StableDiffusion

SHAPE = (4, 8, 8)


@pytest.mark.parametrize(
    ("rates", "expected"),
    [
        ({4: 10, 8: 19, 16: 30, 32: 31, 64: 90}, 16),  # 31 is not worth the memory
        ({4: 10, 8: 9}, 4),
        ({4: 10, 8: 20, 16: 40}, 16),  # at 32 memory runs out
        ({size: size for size in (4, 8, 16, 32, 64, 128, 256)}, 256),
    ],
)
def test_doubles_while_it_pays(
    model: StableDiffusion,
    monkeypatch: pytest.MonkeyPatch,
    rates: dict[int, float],
    expected: int,
) -> None:
    def rate(_: object, shape: tuple[int, int, int], size: int) -> float:
        if size not in rates:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return rates[size]

    monkeypatch.setattr(tuning, "rows_a_second", rate)
    assert fastest_micro_batch(model, SHAPE) == expected


def test_a_real_network_has_a_rate(model: StableDiffusion) -> None:
    assert rows_a_second(model, SHAPE, 2) > 0
