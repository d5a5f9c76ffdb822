"""How near an edited picture is to the true counterfactual. Knows no model and no file.

Pictures are (H, W, 3) uint8 sRGB, regions and masks (H, W) bool. Undefined scores are NaN.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from skimage.color import deltaE_ciede2000, rgb2lab
from skimage.metrics import structural_similarity

from pipeline.demo.scenes import COLOURS, Scene

Picture = NDArray[np.uint8]
Region = NDArray[np.bool_]
Floats = NDArray[np.float64]
BEST_PSNR = 100.0
"""dB that stand for "not a byte differs"; the mean of infinities would say nothing."""
DRAWS = 4_000_000
"""Of a bootstrap held at a time: 32 MB."""


@dataclass(frozen=True)
class Interval:
    """A mean with its bootstrapped 95 % interval, over the finite values."""

    mean: float
    low: float
    high: float


def mask_scores(found: Region, true: Region) -> dict[str, float]:
    """Intersection over union, precision (NaN where nothing was found) and recall."""
    both = float((found & true).sum())
    return {
        "mask_iou": both / float((found | true).sum()),
        "mask_precision": both / float(found.sum()) if found.any() else float("nan"),
        "mask_recall": both / float(true.sum()),
    }


def psnr(picture: Picture, wanted: Picture, region: Region) -> float:
    """Peak signal to noise over the region, dB, at most `BEST_PSNR`."""
    difference = picture[region].astype(np.float64) - wanted[region]
    error = float((difference**2).mean()) if region.any() else float("nan")
    return BEST_PSNR if error == 0 else float(min(BEST_PSNR, 10 * np.log10(255**2 / error)))


def region_scores(picture: Picture, wanted: Picture, region: Region) -> dict[str, float]:
    """Within the region, against the counterfactual: PSNR (dB), SSIM, mean ΔE2000."""
    _, similarity = structural_similarity(  # type: ignore[no-untyped-call]
        picture, wanted, channel_axis=2, full=True
    )
    difference = _delta_e(rgb2lab(picture), rgb2lab(wanted))
    return {
        "region_psnr": psnr(picture, wanted, region),
        "region_ssim": float(similarity[region].mean()),
        "region_delta_e": float(difference[region].mean()),
    }


def seen_colour(picture: Picture, wanted: Scene) -> str:
    """The colour whose true rendering is nearest (mean Lab over the object) to the picture's."""
    height, width = picture.shape[:2]
    body = wanted.mask((width, height))
    tones = {
        colour: _mean_lab(np.asarray(wanted.edited(colour=colour).render((width, height))), body)
        for colour in COLOURS
    }
    seen = _mean_lab(picture, body)
    return min(tones, key=lambda colour: float(_delta_e(tones[colour], seen)))


def _delta_e(one: Floats, other: Floats) -> Floats:
    """CIEDE2000 between Lab colours, (…, 3) → (…)."""
    difference: Floats = deltaE_ciede2000(one, other)  # type: ignore[no-untyped-call]
    return difference


def _mean_lab(picture: Picture, region: Region) -> Floats:
    mean: Floats = rgb2lab(picture[region][None])[0].mean(axis=0)
    return mean


def interval(values: list[float], resamples: int = 2000) -> Interval:
    """Mean of the finite values with the 2.5 and 97.5 percentiles of its bootstrap."""
    finite = np.array([value for value in values if np.isfinite(value)])
    if not len(finite):
        return Interval(*[float("nan")] * 3)
    rng, count = np.random.default_rng(0), len(finite)
    at_once = max(1, DRAWS // count)
    means = [
        finite[rng.integers(count, size=(min(at_once, resamples - start), count))].mean(axis=1)
        for start in range(0, resamples, at_once)
    ]
    low, high = np.percentile(np.concatenate(means), [2.5, 97.5])
    return Interval(float(finite.mean()), float(low), float(high))
