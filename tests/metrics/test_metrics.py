"""Each score against a value worked out by hand, and all of them on pictures at the limits."""

from __future__ import annotations

import math
from importlib import import_module
from pkgutil import iter_modules

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from pipeline import metrics
from pipeline.metrics import background_psnr, background_ssim, edit_change, texture_kept

Picture = NDArray[np.uint8]
SCORES = [import_module(f"pipeline.metrics.{m.name}").score for m in iter_modules(metrics.__path__)]


def noise(height: int = 32, width: int = 40, seed: int = 0) -> Picture:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3)).astype(np.uint8)


def left_half(height: int = 32, width: int = 40) -> Picture:
    mask = np.zeros((height, width), np.uint8)
    mask[:, : width // 2] = 255
    return mask


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 12), st.integers(1, 12), st.integers(0, 99), st.sampled_from([0, 1, 2]))
def test_every_score_is_a_finite_number(height: int, width: int, seed: int, kind: int) -> None:
    source, edited = noise(height, width, seed), noise(height, width, seed + 1)
    flat = np.full_like(source, 7)
    mask = [np.zeros, np.ones, lambda s, _: left_half(*s)][kind]((height, width), np.uint8)
    for score in SCORES:
        for pair in [(source, edited), (source, source), (source, flat), (flat, flat)]:
            value = score(*pair, mask)
            assert type(value) is float and math.isfinite(value), score.__module__


@pytest.mark.parametrize("metric", [background_psnr, background_ssim])
def test_background_scores_do_not_see_the_edit(metric: object) -> None:
    source = noise()
    edited = source.copy()
    edited[:, :20] = noise(seed=1)[:, :20]
    best = {background_psnr: 100.0, background_ssim: 1.0}[metric]
    assert metric.score(source, edited, left_half()) == pytest.approx(best)
    edited[:, 20:] = noise(seed=1)[:, 20:]
    assert metric.score(source, edited, left_half()) < 0.2 * best


def test_psnr_by_hand() -> None:
    source = np.full((4, 4, 3), 100, np.uint8)
    edited = source + np.uint8(5)
    expected = 10 * math.log10(255**2 / 25)
    assert background_psnr.score(source, edited, left_half(4, 4)) == pytest.approx(expected)


def test_edit_change_by_published_pair() -> None:
    black, white = np.zeros((2, 2, 3), np.uint8), np.full((2, 2, 3), 255, np.uint8)
    assert edit_change.score(black, white, left_half(2, 2)) == pytest.approx(100, abs=0.01)
    assert edit_change.score(black, white, np.zeros((2, 2), np.uint8)) == 0


def test_texture_is_kept_by_a_new_colour_and_lost_by_new_noise() -> None:
    grain = np.random.default_rng(0).uniform(0.5, 1, (64, 64, 1))
    red = (grain * (200, 40, 40)).astype(np.uint8)
    blue = (grain * (60, 80, 250)).astype(np.uint8)
    everywhere = np.full((64, 64), 255, np.uint8)
    assert texture_kept.score(red, blue, everywhere) > 0.97
    assert abs(texture_kept.score(red, noise(64, 64), everywhere)) < 0.1
    assert texture_kept.score(red, np.full_like(red, 90), everywhere) == 0
