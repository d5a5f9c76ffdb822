"""Each score against a value worked out by hand, and all of them on pictures at the limits."""

from __future__ import annotations

import math
from dataclasses import replace
from importlib import import_module
from pkgutil import iter_modules

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from pipeline import metrics
from pipeline.images.picture import Picture as Decoded
from pipeline.metrics import (
    _pair,
    background_psnr,
    background_ssim,
    delta_e_colour,
    delta_e_region,
    delta_e_region_p95,
    edit_change,
    texture_kept,
)
from pipeline.metrics._pair import Pair
from pipeline.stages.score import reached

Picture = NDArray[np.uint8]
MODULES = [
    import_module(f"pipeline.metrics.{m.name}")
    for m in iter_modules(metrics.__path__)
    if not m.name.startswith("_")
]
SCORES = [module.score for module in MODULES if not hasattr(module, "NETWORK")]


def pair(source: Picture, edited: Picture, mask: Picture, alpha: Picture | None = None) -> Pair:
    return Pair(Decoded(source, alpha), Decoded(edited, alpha), mask, mask, colour="#1f2a44")


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
        for both in [(source, edited), (source, source), (source, flat), (flat, flat)]:
            value = score(pair(*both, mask))
            if value is None:
                assert "delta_e" in score.__module__ and not mask.any(), score.__module__
                continue
            assert type(value) is float and math.isfinite(value), score.__module__


@pytest.mark.parametrize("metric", [background_psnr, background_ssim])
def test_background_scores_do_not_see_the_edit(metric: object) -> None:
    source = noise()
    edited = source.copy()
    edited[:, :20] = noise(seed=1)[:, :20]
    best = {background_psnr: 100.0, background_ssim: 1.0}[metric]
    assert metric.score(pair(source, edited, left_half())) == pytest.approx(best)
    edited[:, 20:] = noise(seed=1)[:, 20:]
    assert metric.score(pair(source, edited, left_half())) < 0.2 * best


def test_psnr_by_hand() -> None:
    source = np.full((4, 4, 3), 100, np.uint8)
    edited = source + np.uint8(5)
    expected = 10 * math.log10(255**2 / 25)
    assert background_psnr.score(pair(source, edited, left_half(4, 4))) == pytest.approx(expected)


def test_edit_change_by_published_pair() -> None:
    black, white = np.zeros((2, 2, 3), np.uint8), np.full((2, 2, 3), 255, np.uint8)
    assert edit_change.score(pair(black, white, left_half(2, 2))) == pytest.approx(100, abs=0.01)
    assert edit_change.score(pair(black, white, np.zeros((2, 2), np.uint8))) == 0


def test_texture_is_kept_by_a_new_colour_and_lost_by_new_noise() -> None:
    grain = np.random.default_rng(0).uniform(0.5, 1, (64, 64, 1))
    red = (grain * (200, 40, 40)).astype(np.uint8)
    blue = (grain * (60, 80, 250)).astype(np.uint8)
    everywhere = np.full((64, 64), 255, np.uint8)
    assert texture_kept.score(pair(red, blue, everywhere)) > 0.97
    assert abs(texture_kept.score(pair(red, noise(64, 64), everywhere))) < 0.1
    assert texture_kept.score(pair(red, np.full_like(red, 90), everywhere)) == 0


def test_what_is_transparent_is_neither_background_nor_edit() -> None:
    """Left quarter transparent, next edited, right half background that is 5 levels off."""
    source = noise(8, 16)
    edited = np.where(source < 250, source + 5, source - 5).astype(np.uint8)
    alpha = np.full((8, 16), 255, np.uint8)
    alpha[:, :4] = 0
    edited[:, :4] = source[:, :4]
    mask = np.zeros((8, 16), np.uint8)
    mask[:, 4:8] = 255
    seen = (slice(None), slice(4, None))
    whole = pair(source, edited, mask, alpha)
    cut = pair(source[seen], edited[seen], mask[seen])
    expected = 10 * math.log10(255**2 / 25)
    assert background_psnr.score(whole) == pytest.approx(expected)
    assert edit_change.score(whole) == edit_change.score(cut) > 0


def test_a_change_counts_as_much_as_it_is_seen() -> None:
    black, white = np.zeros((8, 8, 3), np.uint8), np.full((8, 8, 3), 255, np.uint8)
    everywhere = np.full((8, 8), 255, np.uint8)
    faint = pair(black, white, everywhere, np.full((8, 8), 13, np.uint8))
    assert 0 < edit_change.score(faint) < 10 < edit_change.score(pair(black, white, everywhere))


def large() -> tuple[Picture, Picture, Picture]:
    """A scene of 1,600 × 1,200 with grain, its recolouring, and the mask of it."""
    from pipeline.demo.scenes import Scene

    scene, changed = Scene.draw(3), Scene.draw(3).edited(colour="blue")
    grain = np.random.default_rng(0).normal(0, 6, (1200, 1600, 1))
    pictures = [
        np.uint8(np.clip(np.asarray(s.render(800).resize((1600, 1200))) + grain, 0, 255))
        for s in (scene, changed)
    ]
    y, x = np.mgrid[:1200, :1600]
    mask = np.uint8(255) * (np.hypot(x - 800, (y - 600) * 1.2) < 560).astype(np.uint8)
    return pictures[0], np.where(mask[..., None] > 0, pictures[1], pictures[0]), mask


def test_scores_of_a_large_picture_are_near_those_of_every_pixel(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    source, edited, mask = large()
    soiled = np.where(mask[..., None] > 0, edited, edited ^ 3)
    quick = [texture_kept.score(pair(source, edited, mask)),
             edit_change.score(pair(source, edited, mask)),
             background_ssim.score(pair(source, soiled, mask))]  # fmt: skip
    monkeypatch.setattr(_pair, "SAMPLE", 1 << 30)
    monkeypatch.setattr(_pair, "SIDE", 10_000)
    whole = [texture_kept.score(pair(source, edited, mask)),
             edit_change.score(pair(source, edited, mask)),
             background_ssim.score(pair(source, soiled, mask))]  # fmt: skip
    assert quick[0] == pytest.approx(whole[0], abs=0.03)
    assert quick[1] == pytest.approx(whole[1], abs=0.1)
    assert quick[2] == pytest.approx(whole[2], abs=0.02)
    assert quick != whole


def test_a_weave_in_step_with_the_sample_is_seen_whole() -> None:
    """Every second thread changed, at all periods: half of the change of all."""
    white, mask = np.full((600, 600, 3), 255, np.uint8), np.full((600, 600), 255, np.uint8)
    for period in (2, 3, 4, 8):
        edited = white.copy()
        edited[:, ::period] = 0
        assert edit_change.score(pair(white, edited, mask)) == pytest.approx(100 / period, abs=0.7)


@pytest.mark.parametrize("at", [(0, 0), (1199, 1599), (600, 5), (5, 600), (130, 800), (600, 1500)])
def test_one_byte_of_a_large_background_is_noticed(at: tuple[int, int]) -> None:
    source, edited, mask = large()
    assert mask[at] == 0
    assert background_psnr.score(pair(source, edited, mask)) == 100
    edited[at][2] ^= 1
    expected = 10 * math.log10(255**2 * 3 * (mask == 0).sum())
    assert background_psnr.score(pair(source, edited, mask)) == pytest.approx(min(100, expected))
    assert not pair(source, edited, mask).same_background
    assert background_ssim.score(pair(source, edited, mask)) > 0.999


def test_the_distance_to_the_colour_asked_for_by_published_pair() -> None:
    """Sharma, Wu and Dalal 2005 have no pair in sRGB: black to white is 100 by definition."""
    red, black = np.full((64, 64, 3), (200, 30, 30), np.uint8), np.zeros((64, 64, 3), np.uint8)
    asked = replace(pair(red, black, left_half(64, 64)), colour="#ffffff")
    assert delta_e_colour.score(asked) == pytest.approx(100, abs=0.01)
    assert delta_e_colour.score(replace(asked, colour="#000000")) == pytest.approx(0, abs=0.01)
    assert delta_e_colour.score(replace(asked, colour=None)) is None


def test_a_patch_is_seen_by_the_tail_and_not_by_the_colour() -> None:
    red = np.full((64, 64, 3), (200, 30, 30), np.uint8)
    navy = np.full((64, 64, 3), (31, 42, 68), np.uint8)
    navy[20:32, 8:24] = 128
    made = pair(red, navy, left_half(64, 64))
    assert delta_e_colour.score(made) == pytest.approx(0, abs=0.01)
    assert delta_e_region.score(made) < 6 and delta_e_region_p95.score(made) > 20
    assert reached(made) == "#1f2a44"


def test_a_cut_outs_transparent_pixels_say_no_colour() -> None:
    red = np.full((64, 64, 3), (200, 30, 30), np.uint8)
    navy = np.full((64, 64, 3), (31, 42, 68), np.uint8)
    alpha = np.full((64, 64), 255, np.uint8)
    alpha[:, :20], navy[:, :20] = 0, 255
    assert reached(pair(red, navy, np.full((64, 64), 255, np.uint8), alpha)) == "#1f2a44"
    assert reached(pair(red, navy, np.zeros((64, 64), np.uint8), alpha)) is None
