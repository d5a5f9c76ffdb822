"""Near-duplicates among the edits of one image."""

from __future__ import annotations

import numpy as np

from pipeline.images.alike import first_alike, thumbnail
from pipeline.images.picture import Picture


def small(colour: tuple[int, int, int], inside: bool = True, noise: int = 0) -> object:
    rng = np.random.default_rng(noise)
    rgb = np.full((300, 200, 3), 120, np.uint8)
    mask = np.zeros((300, 200), np.uint8)
    if inside:
        rgb[100:150, 50:100] = colour
        mask[100:150, 50:100] = 255
    if noise:
        rgb = np.clip(rgb + rng.integers(-9, 10, rgb.shape), 0, 255).astype(np.uint8)
    return thumbnail(Picture(rgb, None), mask)


def test_edits_that_look_alike_name_the_first_of_them() -> None:
    red, blue = (200, 30, 30), (30, 30, 200)
    edits = [small(red), small(blue), small(red, noise=1), None, small(blue, noise=2)]
    assert first_alike(edits) == [None, None, 0, None, 1]  # type: ignore[arg-type]


def test_one_colour_of_the_same_lightness_is_no_other() -> None:
    assert first_alike([small((120, 120, 120)), small((150, 110, 100))]) == [None, None]  # type: ignore[list-item]


def test_two_that_found_nothing_to_edit_are_alike() -> None:
    assert first_alike([small((0, 0, 0), inside=False)] * 3) == [None, 0, 0]  # type: ignore[list-item]


def test_the_thinnest_mask_is_seen_in_a_large_picture() -> None:
    mask = np.zeros((3000, 2000), np.uint8)
    mask[1777, 333:344] = 255
    found = thumbnail(Picture(np.zeros((3000, 2000, 3), np.uint8), None), mask).mask
    assert np.argwhere(found).tolist() == [[1777 * 64 // 3000, x] for x in (10, 11)]
