"""The scores know a perfect edit from none."""

import numpy as np
import pytest

from pipeline.demo.evaluate import Case, Outcome, cases, score
from pipeline.demo.photos import HELD_OUT
from pipeline.demo.scenes import COLOURS
from pipeline.demo.scores import BEST_PSNR, interval, mask_scores, psnr, seen_colour

SIDE = 64


def outcome(case: Case, *, edited: bool) -> Outcome:
    region = case.true_region(SIDE)
    picture = np.asarray((case.wanted if edited else case.scene).render(SIDE))
    return Outcome(case, region if edited else ~region, picture)


def test_the_true_counterfactual_is_perfect() -> None:
    for case in cases(4):
        found = score(outcome(case, edited=True))
        assert found["mask_iou"] == found["mask_precision"] == found["mask_recall"] == 1
        assert found["region_psnr"] == BEST_PSNR
        assert found["region_ssim"] == pytest.approx(1)
        assert found["region_delta_e"] == pytest.approx(0, abs=1e-6)
        assert found["right_colour"] == 1


def test_no_edit_at_all_fails() -> None:
    for case in cases(4):
        found = score(outcome(case, edited=False))
        assert found["mask_iou"] == 0
        assert found["region_psnr"] < 30
        assert found["background_psnr"] == BEST_PSNR
        assert found["right_colour"] == (case.kind != "colour")


def test_every_colour_is_told_from_the_others() -> None:
    scene = cases(1)[0].scene
    for colour in COLOURS:
        wanted = scene.edited(colour=colour)
        assert seen_colour(np.asarray(wanted.render(SIDE)), wanted) == colour


def test_mask_scores_by_hand() -> None:
    found, true = np.zeros((4, 4), bool), np.zeros((4, 4), bool)
    found[:2], true[1:3] = True, True
    assert mask_scores(found, true) == {
        "mask_iou": 4 / 12,
        "mask_precision": 0.5,
        "mask_recall": 0.5,
    }
    empty = mask_scores(np.zeros((4, 4), bool), true)
    assert empty["mask_recall"] == 0
    assert np.isnan(empty["mask_precision"])


def test_psnr_by_hand() -> None:
    one = np.zeros((2, 2, 3), np.uint8)
    other = one.copy()
    other[0] = 51
    assert psnr(one, other, np.array([[True, True], [False, False]])) == pytest.approx(13.979, 1e-4)
    assert psnr(one, other, np.array([[False, False], [True, True]])) == BEST_PSNR


def test_the_interval_holds_the_mean_and_ignores_undefined_scores() -> None:
    values = [*np.linspace(0, 1, 50), float("nan")]
    found = interval(values)
    assert found.mean == pytest.approx(0.5)
    assert 0.3 < found.low < found.mean < found.high < 0.7
    assert np.isnan(interval([float("nan")]).mean)


def test_cases_are_held_out_and_ask_for_a_change() -> None:
    for case in cases(5):
        assert case.number >= HELD_OUT
        assert case.wanted != case.scene
        assert case.wanted.caption != case.scene.caption
