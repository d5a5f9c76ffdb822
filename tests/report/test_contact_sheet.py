"""The contact sheet: every row has its strip, whatever became of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PIL import Image

from pipeline.report.contact_sheet import GAP, HEIGHT, SIDE, WIDTH, contact_sheet, strip
from tests.report.outputs import dead, edit, png


def at(picture: Image.Image, x: int, y: int) -> tuple[int, ...]:
    return tuple(int(v) for v in np.asarray(picture)[y, x])


def near(a: tuple[int, ...], b: tuple[int, ...]) -> bool:
    return max(abs(x - y) for x, y in zip(a, b, strict=True)) <= 3


def test_source_mask_and_edit_stand_side_by_side() -> None:
    picture = strip(edit(0))
    middle = SIDE // 2
    assert near(at(picture, middle, middle), (200, 30, 40))
    assert near(at(picture, middle + 2 * (SIDE + GAP), middle), (30, 40, 200))
    red, green, blue = at(picture, middle + SIDE + GAP, middle)
    assert red > blue > green  # tinted where the mask is …
    corner = at(picture, 4 + SIDE + GAP, middle)
    assert len(set(corner)) == 1  # … and grey elsewhere


@pytest.mark.parametrize(
    "row",
    [
        dead(0),
        dead(0, image=None, caption=None),
        dead(0, error_message="x" * 5000),
        edit(0, edit=None, edited=None, mask=None, target_prompt=None),
        edit(0, source_prompt=""),
        edit(0, source_prompt="a red mug " * 200, target_prompt="红色的杯子 " * 200),
        edit(0, edited=b"junk", mask=None, mask_area=None, score_edit_change=None),
        edit(0, image=png((1, 2, 3), (2000, 3))),
    ],
)
def test_every_row_has_a_strip_with_words(row: dict[str, Any]) -> None:
    picture = strip(row)
    assert picture.size == (WIDTH, HEIGHT)
    assert np.asarray(picture)[SIDE:].min() < 128  # ink


@pytest.mark.parametrize(("rows", "columns", "high"), [(0, 1, 1), (1, 1, 1), (4, 1, 4), (8, 2, 4)])
def test_strips_stand_in_columns_of_four(rows: int, columns: int, high: int) -> None:
    sheet = contact_sheet([edit(n) for n in range(rows)])
    assert sheet.size == (columns * (WIDTH + 3 * GAP), high * (HEIGHT + 2 * GAP))
