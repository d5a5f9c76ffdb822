"""Published filters as a config has them."""

from __future__ import annotations

from typing import Any, get_args

import pytest

from pipeline.checks import Check
from pipeline.config_file import parse
from pipeline.errors import UsageError
from pipeline.presets import PRESETS


def check(**section: Any) -> Any:
    raw = {
        "input": {"type": "folder", "path": "in"},
        "output": {"path": "out"},
        "prompts": {"type": "column", "target": "target"},
        "model": {"type": "stable_diffusion", "path": "demo"},
        "check": section,
    }
    return parse(raw)


def test_the_published_thresholds() -> None:
    names = get_args(get_args(Check.model_fields["preset"].annotation)[0])
    assert set(names) == set(PRESETS)
    config = check(preset="ultraedit")
    least = {name: bound.min for name, bound in config.check.keep.items()}
    assert least == {
        "clip_source": 0.2, "clip_target": 0.2, "clip_direction": 0.2, "clip_image": 0.8,
        "dino": 0.3,
    }  # fmt: skip
    assert set(least) | {"background_psnr", "edit_change"} == set(config.check.scores)
    assert config.check.places()["dino"] == "facebook/dinov2-with-registers-large"
    assert check(preset="instruct_pix2pix").check.keep["clip_image"].min == 0.7


def test_what_the_config_says_itself_wins() -> None:
    own = {"keep": {"clip_image": {"min": 0.9}}, "models": {"clip": "/weights"}, "scores": ["dino"]}
    config = check(preset="lance", **own)
    assert config.check.keep["clip_image"].min == 0.9 and config.check.models.clip == "/weights"
    assert config.check.scores[0] == "dino" and "clip_direction" in config.check.scores
    with pytest.raises(UsageError, match=r"check\.preset"):
        check(preset="beauty")


def test_the_settings_of_a_run_say_all_and_are_read_again() -> None:
    config = check(preset="lance")
    settings = config.result_settings()
    assert settings["check"]["models"] == {"clip": "openai/clip-vit-large-patch14"}
    again = parse({**settings, "output": {**settings["output"], "path": "out"}})
    assert again.fingerprint() == config.fingerprint()
    assert set(check().result_settings()["check"]) == {"scores", "keep"}, "as before there were any"
