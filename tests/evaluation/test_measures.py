"""Scores of one edit by hand, and by other libraries."""

from __future__ import annotations

import math

import numpy as np
import pytest
from skimage.metrics import structural_similarity

from pipeline.evaluation import _measures as measures
from pipeline.evaluation._protocol import Item
from pipeline.evaluation._record import Record

SIDE = 32


def item(source, edited, region=None, **more) -> Item:
    record = Record("a", lambda: None, "a red mug", "a blue mug")
    return Item(record, source, edited, None, region, None, (), **more)


@pytest.fixture
def half() -> np.ndarray:
    region = np.zeros((SIDE, SIDE), bool)
    region[:, : SIDE // 2] = True
    return region


@pytest.fixture
def noise() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    one = rng.integers(0, 256, (SIDE, SIDE, 3), np.uint8)
    other = np.clip(one.astype(int) + rng.integers(-40, 40, one.shape), 0, 255)
    return [one, other.astype(np.uint8)]


def test_a_constant_offset_outside_counts_over_the_whole_frame(half) -> None:
    source = np.full((SIDE, SIDE, 3), 100, np.uint8)
    edited = np.where(half[..., None], np.uint8(7), np.uint8(151))  # inside: whatever
    found = item(source, edited, half)
    mse = 0.2**2 * 0.5
    assert measures.masked_mse(found) == pytest.approx(mse, rel=1e-5)
    assert measures.masked_psnr(found) == pytest.approx(-10 * math.log10(mse), rel=1e-5)


def test_what_is_equal_outside_has_infinite_psnr(half) -> None:
    source = np.full((SIDE, SIDE, 3), 100, np.uint8)
    edited = np.where(half[..., None], np.uint8(7), source)
    assert measures.masked_psnr(item(source, edited, half)) == math.inf
    assert measures.masked_ssim(item(source, edited, half)) == pytest.approx(1)


@pytest.mark.parametrize("region", [None, np.ones((SIDE, SIDE), bool)])
def test_without_an_outside_nothing_is_defined(noise, region) -> None:
    found = item(*noise, region)
    for score in (measures.masked_mse, measures.masked_psnr, measures.masked_ssim):
        assert math.isnan(score(found))


def test_ssim_is_skimage_s(noise, half) -> None:
    for region in (np.zeros((SIDE, SIDE), bool), half):
        kept = (~region)[..., None]
        wanted = structural_similarity(
            noise[0] / 255 * kept,
            noise[1] / 255 * kept,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
            data_range=1.0,
            channel_axis=2,
        )
        assert measures.masked_ssim(item(*noise, region)) == pytest.approx(wanted, abs=1e-4)


def test_errors_of_whole_pictures(noise) -> None:
    found = item(*noise)
    gap = np.abs(noise[0].astype(float) - noise[1]) / 255
    assert measures.mean_error(1, "source")(found) == pytest.approx(gap.mean(), rel=1e-5)
    assert measures.mean_error(2, "source")(found) == pytest.approx((gap**2).mean(), rel=1e-5)
    wanted = -10 * math.log10((gap**2).mean())
    assert measures.whole_psnr("source")(found) == pytest.approx(wanted, rel=1e-5)
    assert math.isnan(measures.whole_psnr("wanted")(found))


def test_networks_see_the_mask(judges, half) -> None:
    from pathlib import Path

    import torch

    from pipeline.metrics._networks import clip, lpips

    rng = np.random.default_rng(1)
    cells = rng.integers(0, 256, (2, 4, 4, 3), np.uint8)
    source, edited = (np.kron(c, np.ones((8, 8, 1), np.uint8)) for c in cells)
    inside = item(source, np.where(half[..., None], edited, source), half)
    cpu = torch.device("cpu")
    judge = lpips.Lpips("squeeze", Path(judges["lpips"]) / lpips.FILES["squeeze"], cpu)
    none, some = measures.masked_lpips([inside, item(source, edited, half)], judge)
    assert none == 0 < some
    undefined = item(source, edited, np.ones((SIDE, SIDE), bool))
    assert np.isnan(measures.masked_lpips([undefined, inside], judge)).tolist() == [True, False]
    tower = clip.Clip(Path(judges["clip"]), cpu)
    cut = edited * half[..., None]
    wanted = clip.image_text(tower, [cut], ["a red mug"])
    found = measures.clip_text_inside(
        [item(source, edited), item(source, edited, half), item(source, edited, half & ~half)],
        tower,
    )
    assert np.isnan(found).tolist() == [True, False, True]
    assert found[1] == pytest.approx(wanted[0], abs=1e-6)
    no_text = Item(Record("b", lambda: None, "a red mug"), source, edited, None, None, None, ())
    assert np.isnan(measures.clip_direction([no_text], tower)).all()
    assert np.isnan(measures.clip_source([no_text], tower)).all()
