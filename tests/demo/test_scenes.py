"""A scene is one description: what it draws, masks and says must agree, at every size."""

import numpy as np
import pytest
from PIL import Image

from pipeline.demo.scenes import COLOURS, OBJECTS, PLACES, Scene

SEEDS = range(24)


def pixels(scene: Scene, size: int | tuple[int, int] = 96) -> np.ndarray:
    return np.asarray(scene.render(size)).astype(int)


def other_colour(scene: Scene) -> str:
    """Far from the scene's own colour, so that every covered pixel shows it."""
    return "black" if scene.thing.colour in ("white", "yellow", "turquoise", "pink") else "white"


@pytest.mark.parametrize("seed", SEEDS)
def test_a_seed_always_draws_the_same_photo(seed: int) -> None:
    assert Scene.draw(seed) == Scene.draw(seed)
    assert (pixels(Scene.draw(seed)) == pixels(Scene.draw(seed))).all()


def test_seeds_differ() -> None:
    assert len({Scene.draw(seed) for seed in range(100)}) == 100


@pytest.mark.parametrize("seed", SEEDS)
def test_a_colour_edit_changes_the_object_and_nothing_else(seed: int) -> None:
    scene = Scene.draw(seed)
    changed = np.abs(pixels(scene.edited(colour=other_colour(scene))) - pixels(scene)).max(axis=2)
    cover = scene.coverage(96)
    assert (changed[cover == 0] == 0).all(), "shadow, background and companion stay as they are"
    body = cover == 1
    assert (changed[body] > 8).mean() > 0.9, "highlights may hide a few pixels of the object"


@pytest.mark.parametrize("seed", SEEDS)
def test_an_object_edit_changes_only_the_objects_and_their_shadows(seed: int) -> None:
    scene = Scene.draw(seed)
    other = scene.edited(object="ball" if scene.thing.object != "ball" else "shoe")
    touched = (scene.coverage(96) > 0) | (other.coverage(96) > 0)
    changed = np.abs(pixels(other) - pixels(scene)).max(axis=2)
    brighter = np.maximum(pixels(other), pixels(scene)).max(axis=2)
    assert changed[touched].mean() > 5
    assert (changed <= 0.5 * brighter + 1)[~touched].all(), "a shadow takes half the light at most"
    corners = changed[:8, :8], changed[:8, -8:]
    assert all((corner == 0).all() for corner in corners), "the light comes from above"


@pytest.mark.parametrize("seed", SEEDS)
def test_a_background_edit_keeps_the_body_of_the_object(seed: int) -> None:
    scene = Scene.draw(seed)
    other = scene.edited(background="wood" if scene.background != "wood" else "grass")
    changed = np.abs(pixels(other) - pixels(scene)).max(axis=2)
    assert (changed[scene.coverage(96) == 1] == 0).all()
    assert (changed[scene.coverage(96) == 0] > 0).mean() > 0.9


def test_an_edit_to_what_is_already_there_is_the_same_scene() -> None:
    for scene in map(Scene.draw, SEEDS):
        assert scene.edited(colour=scene.thing.colour) == scene
        assert scene.edited(object=scene.thing.object, background=scene.background) == scene


def test_an_edit_can_be_undone() -> None:
    for scene in map(Scene.draw, SEEDS):
        there = scene.edited(colour="blue", object="bag", background="grass")
        back = there.edited(
            colour=scene.thing.colour, object=scene.thing.object, background=scene.background
        )
        assert back == scene


def test_captions_name_what_is_shown() -> None:
    captions = set()
    for scene in map(Scene.draw, range(300)):
        words = scene.caption.replace(",", "").split()
        assert scene.thing.colour in words
        assert scene.thing.object in words
        assert scene.background in words
        article = words[words.index(scene.thing.colour) - 1]
        assert article == ("an" if scene.thing.colour == "orange" else "a")
        captions.add(" ".join(w for w in words if w not in (*COLOURS, *OBJECTS, *PLACES)))
    assert len(captions) > 20, "several phrasings"


def test_a_colour_edit_changes_one_word_of_the_caption() -> None:
    for scene in map(Scene.draw, SEEDS):
        target = "blue" if scene.thing.colour != "blue" else "red"
        pair = zip(scene.caption.split(), scene.edited(colour=target).caption.split(), strict=True)
        differing = [(a, b) for a, b in pair if a != b and {a, b} != {"a", "an"}]
        assert differing == [(scene.thing.colour, target)]


@pytest.mark.parametrize("seed", range(8))
def test_every_size_shows_the_same_scene(seed: int) -> None:
    scene = Scene.draw(seed)
    large = scene.render(192).resize((64, 64), Image.Resampling.BOX)
    difference = np.abs(np.asarray(large).astype(int) - pixels(scene, 64)).mean()
    assert difference < 4
    assert abs(scene.mask(192).mean() - scene.mask(64).mean()) < 0.01


def test_oblong_photos_add_background_at_the_sides() -> None:
    scene = Scene.draw(3)
    wide = scene.render((160, 96))
    assert wide.size == (160, 96)
    assert scene.mask((160, 96)).shape == (96, 160)
    assert (scene.mask((160, 96))[:, 32:128] == scene.mask(96)).all()


def test_the_object_is_large_enough_for_a_coarse_latent_grid() -> None:
    areas = [Scene.draw(seed).mask(64).mean() for seed in range(200)]
    assert min(areas) > 0.08
    assert max(areas) < 0.4


def test_the_material_keeps_the_hue_dominant() -> None:
    """The mean over the object must lie nearest to its own colour among all counterfactuals."""
    for scene in map(Scene.draw, SEEDS):
        body = scene.mask(64)
        mean = pixels(scene, 64)[body].mean(axis=0)
        name = min(COLOURS, key=lambda c: float(np.abs(np.array(COLOURS[c]) - mean).sum()))
        chromatic = scene.thing.colour not in ("white", "black")
        assert not chromatic or name == scene.thing.colour


def test_unknown_words_are_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"'beige'.*red"):
        Scene.draw(0).edited(colour="beige")
