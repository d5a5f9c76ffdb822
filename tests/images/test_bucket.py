"""Buckets: about the model's area, nearly the photo's aspect, and a faithful way there and back."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from pipeline.demo.scenes import Scene
from pipeline.errors import RowError
from pipeline.images.bucket import bucket, resized, to_model, to_rgb
from pipeline.images.picture import Pixels


@given(st.integers(8, 12_000), st.floats(0.26, 3.9), st.sampled_from([128, 512, 768, 1024]))
def test_area_and_aspect(width: int, aspect: float, resolution: int) -> None:
    height = max(8, round(width / aspect))
    if not 0.25 <= width / height <= 4:
        return
    w, h = bucket(width, height, resolution, 8)
    assert w % 8 == 0 and h % 8 == 0
    assert w * h == pytest.approx(resolution**2, rel=0.12)
    assert w / h == pytest.approx(width / height, rel=0.12)


def test_known_sizes() -> None:
    assert bucket(512, 512, 512, 8) == (512, 512)
    assert bucket(4000, 3000, 512, 64) == (576, 448)
    assert bucket(3000, 4000, 512, 64) == (448, 576)
    assert bucket(160, 128, 128, 8) == (144, 112)
    assert bucket(1600, 1200, 128, 32) == (160, 128)  # (160, 96) would be stretched by a quarter


@pytest.mark.parametrize("size", [(1, 20_000), (401, 100), (100, 401)])
def test_slivers_are_refused(size: tuple[int, int]) -> None:
    with pytest.raises(RowError, match="extreme_aspect"):
        bucket(*size, 512, 8)
    bucket(400, 100, 512, 8)


def test_there_and_back_at_one_size_is_exact() -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (24, 40, 3), np.uint8)
    tensor = to_model(rgb, (40, 24))
    assert tensor.shape == (3, 24, 40) and tensor.dtype == torch.float32
    assert tensor.min() >= -1 and tensor.max() <= 1
    assert np.array_equal(to_rgb(tensor), rgb)


def test_sizes_are_width_first() -> None:
    rgb = np.full((30, 20, 3), 7, np.uint8)
    assert to_model(rgb, (16, 24)).shape == (3, 24, 16)
    assert to_rgb(torch.full((3, 24, 16), 9.0), (20, 30)).shape == (30, 20, 3)


def test_a_large_photo_is_averaged_first_and_looks_the_same() -> None:
    photo = np.asarray(Scene.draw(5).render(1500))

    def plain(side: int) -> Pixels:
        return np.asarray(Image.fromarray(photo).resize((side, side), Image.Resampling.LANCZOS))

    found = resized(photo, (256, 256)).astype(float)
    assert float(np.sqrt(np.mean((found - plain(256)) ** 2))) < 0.8
    assert np.array_equal(resized(photo, (400, 400)), plain(400))
