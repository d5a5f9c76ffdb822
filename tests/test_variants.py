"""`edit.variants`: what is drawn, and what is refused in one line."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.config_file import parse
from pipeline.errors import UsageError
from pipeline.variants import Range, Variants, by_target, places, target_of


def config(**variants: Any) -> Any:
    return parse(
        {
            "input": {"type": "folder", "path": "in"},
            "output": {"path": "out"},
            "prompts": {"type": "recolor", "colours": variants.pop("colours", ["red"])},
            "model": {"type": "stable_diffusion", "path": "m"},
            "edit": {"paste_back": "recolor", "variants": variants},
        }
    )


def test_a_grid_is_drawn_without_a_repeat_and_ranges_for_each_try() -> None:
    variants = Variants(
        tries=6,
        by="x",
        noise=False,
        mask_dilate=(0, 1),
        guidance_scale=(3, 5, 7),
        encoding_ratio=Range(min=0.6, max=0.9),
    )
    for seed in range(20):
        drawn = variants.drawn(seed)
        assert len({(t.mask_dilate, t.guidance_scale) for t in drawn}) == 6
        assert all(0.6 <= t.encoding_ratio <= 0.9 for t in drawn)
        assert len({t.encoding_ratio for t in drawn}) > 3 and {t.seed for t in drawn} == {seed}
        assert drawn == variants.drawn(seed), "of the seed alone"
    orders = [tuple(t.guidance_scale for t in variants.drawn(seed)) for seed in range(9)]
    assert len(set(orders)) > 5
    means = [t.encoding_ratio for seed in range(200) for t in variants.drawn(seed)]
    assert sum(means) / len(means) == pytest.approx(0.75, abs=0.01)


def test_more_tries_begin_with_the_fewer() -> None:
    few, more = (Variants(tries=n, by="x", guidance_scale=(3, 5)) for n in (2, 5))
    assert more.drawn(7)[:2] == few.drawn(7)
    seeds = [t.seed for t in more.drawn(7)]
    assert len(set(seeds)) == 5 and all(0 <= seed < 2**53 for seed in seeds)


@pytest.mark.parametrize(
    ("variants", "said"),
    [
        ({"tries": 3, "by": "clip_direction"}, "edit.variants.by: clip_direction is none of"),
        ({"tries": 1, "by": "edit_change"}, "edit.variants.tries"),
        ({"tries": 3, "by": "edit_change", "keep": 4}, "keep 4 of 3 tries"),
        ({"tries": 3, "by": "edit_change", "noise": False}, "some would be equal"),
        (
            {"tries": 3, "by": "edit_change", "noise": False, "guidance_scale": [3, 3, 5]},
            "the lists make 2",
        ),
        ({"tries": 3, "by": "edit_change", "encoding_ratio": [1.5]}, "numbers from 0.001 to 1"),
        ({"tries": 3, "by": "edit_change", "mask_dilate": [0.5]}, "whole numbers"),
        ({"tries": 3, "by": "edit_change", "guidance_scale": {"min": 5, "max": 5}}, "min below"),
        ({"tries": 3}, "edit.variants.by: missing"),
    ],
)
def test_what_cannot_be_is_one_line(variants: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said) as error:
        config(**variants)
    assert len(str(error.value).splitlines()) <= 2


def test_an_exact_colour_needs_tries_that_differ_in_their_masks() -> None:
    navy = {"colours": [{"name": "navy", "hex": "#1f2a44"}], "by": "edit_change", "tries": 2}
    with pytest.raises(UsageError, match="of an exact colour the mask alone is the model's"):
        config(**navy, noise=False, guidance_scale=[3, 5])
    assert config(**navy, noise=False, mask_threshold=[0.3, 0.5]).edit.variants.tries == 2


def test_without_them_nothing_is_another_than_before() -> None:
    plain = parse(
        {
            "input": {"type": "folder", "path": "in"},
            "output": {"path": "out"},
            "prompts": {"type": "recolor", "colours": ["red"]},
            "model": {"type": "stable_diffusion", "path": "m"},
        }
    )
    assert "variants" not in plain.result_settings()["edit"]
    assert places([{"name": "red"}], None) == [{"name": "red", "rank": None}]


def test_places_of_the_best() -> None:
    kept = places([{"name": "red"}, {"name": "blue"}], Variants(tries=3, keep=2, by="x"))
    assert [p["name"] for p in kept] == ["red", "red~2", "blue", "blue~2"]
    assert list(by_target(kept)) == [[0, 1], [2, 3]]
    assert [target_of(p["name"], p["rank"]) for p in kept] == ["red", "red", "blue", "blue"]
    assert target_of("red~2", None) == "red~2"
