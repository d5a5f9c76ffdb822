"""The sweep's tables: means by kind, gains by scene, and what the reference lacks."""

from __future__ import annotations

from pipeline.demo.evaluate import cases
from pipeline.demo.sweep import SHOWN, _lines


def test_a_line_a_kind_with_the_gain_of_the_same_scenes() -> None:
    todo = cases(2)
    first = [
        {"mask_iou": 0.5, "background_psnr": 30.0, **dict.fromkeys(SHOWN, float(i))}
        for i in range(len(todo))
    ]
    better = [{**scores, "region_psnr": scores["region_psnr"] + 2} for scores in first]
    colour, *_ = _lines("dpm | 20", todo, better, first)
    # Colour edits are the first of three of each scene: places 0 and 3.
    assert (
        colour == "| colour | dpm | 20 | 0.500 | 3.5 | 1.5 | 1.5 | 1.5 | +2.00 (+2.00 to +2.00) |"
    )
    assert _lines("dpm | 20", todo, better)[0].endswith("| 1.5 |")


def test_the_reference_s_picture_counts_as_not_pasted_back() -> None:
    todo = cases(1)
    scores = [{"mask_iou": 1.0, "background_psnr": 25.0, **dict.fromkeys(SHOWN[:3], 1.0)}] * 3
    assert _lines("reference", todo, scores)[0].endswith("| 25 |")
