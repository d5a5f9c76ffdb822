"""Outlines drawn anew by colour: what strayed comes back, what was right or can't be told stays."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from pipeline.demo.scenes import MATERIALS, Scene
from pipeline.images.bucket import to_tensor
from pipeline.images.by_colour import redrawn

SIDE = 128
ways = pytest.mark.parametrize("along_edges", [False, True])


def picture(thing: tuple[int, int, int], ground: tuple[int, int, int]) -> torch.Tensor:
    """A table with thin legs under light that falls off, with grain."""
    image = Image.new("RGB", (SIDE, SIDE), ground)
    draw = ImageDraw.Draw(image)
    for box in ((30, 40, 98, 60), (34, 60, 37, 100), (90, 60, 93, 100)):
        draw.rectangle(box, thing)
    light = np.linspace(1.0, 0.75, SIDE)[None, :, None]
    grain = np.random.default_rng(0).normal(0, 3, (SIDE, SIDE, 3))
    return to_tensor(np.uint8(np.clip(np.asarray(image) * light + grain, 0, 255)))


def table() -> Any:
    region = np.zeros((SIDE, SIDE), bool)
    region[40:61, 30:99] = region[60:101, 34:38] = region[60:101, 90:94] = True
    return region


def overlap(outline: torch.Tensor, region: Any) -> float:
    found = outline.numpy() > 0.5
    return float((found & region).sum() / (found | region).sum())


def rough() -> torch.Tensor:
    """The table's top without its legs, with a patch of the ground."""
    outline = torch.zeros(SIDE, SIDE)
    outline[36:66, 28:100] = 1
    outline[28:40, 84:112] = 1
    return outline


@ways
def test_a_stray_patch_goes_and_thin_legs_come(along_edges: bool) -> None:
    found = redrawn(rough(), picture((200, 40, 40), (150, 160, 150)), along_edges)
    assert overlap(rough(), table()) < 0.6 and overlap(found, table()) > 0.9


@pytest.mark.parametrize(("along_edges", "left"), [(False, 0.95), (True, 0.92)])
def test_where_colours_tell_nothing_the_outline_stays(along_edges: bool, left: float) -> None:
    """Along edges, where there are none, a round outline shrinks by a pixel."""
    y, x = np.mgrid[:SIDE, :SIDE]
    disc = np.hypot(y - 64, x - 60) < 35
    photo = picture((150, 160, 150), (150, 160, 150))
    assert overlap(redrawn(torch.from_numpy(disc).float(), photo, along_edges), disc) > left


def test_a_patch_of_the_ground_goes_along_edges_however_large() -> None:
    photo = picture((200, 40, 40), (150, 160, 150))
    outline = torch.from_numpy(table()).float()
    outline[60:110, 30:99] = 1
    assert overlap(outline, table()) < 0.5
    assert overlap(redrawn(outline, photo, True), table()) > 0.9


def test_a_print_of_the_grounds_colour_stays_inside() -> None:
    photo = picture((200, 40, 40), (240, 240, 240))
    photo[:, 47:53, 50:78] = 0.88
    inside = torch.from_numpy(table()).float()
    assert (redrawn(inside, photo, False)[47:53, 50:78] > 0.5).all()


@ways
@pytest.mark.parametrize("material", MATERIALS)
def test_a_scenes_strayed_outline_comes_nearer(material: str, along_edges: bool) -> None:
    gains = []
    for scene in [
        s for s in map(Scene.draw, range(5_000_000, 5_000_040)) if s.thing.material == material
    ][:8]:
        true = scene.mask(SIDE)
        strayed = torch.from_numpy(np.roll(true, (3, -3), (0, 1))).float()
        found = redrawn(strayed, to_tensor(np.asarray(scene.render(SIDE))), along_edges)
        gains.append(overlap(found, true) - overlap(strayed, true))
    assert np.mean(gains) > 0.08 and np.min(gains) > -0.02


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**32 - 1), st.integers(3, 70), st.integers(3, 70), st.booleans())
def test_any_outline_comes_back_finite_and_with_an_inside(
    seed: int, height: int, width: int, along_edges: bool
) -> None:
    rng = np.random.default_rng(seed)
    outline = torch.from_numpy(rng.random((height, width), np.float32))
    outline[rng.random((height, width)) < 0.01] = torch.nan
    photo = torch.from_numpy(rng.uniform(-1, 1, (3, height, width)).astype(np.float32))
    found = redrawn(outline, photo, along_edges)
    assert torch.equal(found.isnan(), outline.isnan())
    assert (found > 0.5).any() == (outline > 0.5).any()


@ways
def test_the_shadow_that_a_thing_throws_is_not_its_own(along_edges: bool) -> None:
    ground, thing = (150, 172, 190), (226, 226, 226)
    image = Image.new("RGB", (SIDE, SIDE), ground)
    draw = ImageDraw.Draw(image)
    draw.rectangle((36, 36, 98, 96), tuple(round(level * 0.6) for level in ground))
    draw.rectangle((30, 30, 90, 88), thing)
    grain = np.random.default_rng(0).normal(0, 3, (SIDE, SIDE, 3))
    photo = to_tensor(np.uint8(np.clip(np.asarray(image) + grain, 0, 255)))
    true = np.zeros((SIDE, SIDE), bool)
    true[30:89, 30:91] = True
    rough = torch.zeros(SIDE, SIDE)
    rough[30:97, 30:99] = 1
    assert overlap(rough, true) < 0.8 and overlap(redrawn(rough, photo, along_edges), true) > 0.97
