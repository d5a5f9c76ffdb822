"""What others keep of their edits: published thresholds, each with its source. Knows no score.

The networks are named as theirs; how pictures are prepared for them differs in places, which
docs/scores.md says.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

L14 = {"clip": "openai/clip-vit-large-patch14"}


@dataclass(frozen=True)
class Preset:
    """Lower bounds by score, the networks they are of, and where they were published."""

    at_least: Mapping[str, float]
    source: str
    models: Mapping[str, str] = field(default_factory=lambda: L14)


PRESETS = {
    "instruct_pix2pix": Preset(
        {"clip_source": 0.2, "clip_target": 0.2, "clip_direction": 0.2, "clip_image": 0.7},
        "Brooks et al. 2023, dataset_creation/generate_img_dataset.py: --clip-threshold, "
        "--clip-dir-threshold, --clip-img-threshold",
    ),
    "lance": Preset(
        {"clip_source": 0.2, "clip_target": 0.2, "clip_direction": 0.2, "clip_image": 0.7},
        "Prabhu et al. 2023, its arguments clip_thresh, clip_dir_thresh, clip_img_thresh; its "
        "filter of the edited words is not here",
    ),
    "ultraedit": Preset(
        {
            "clip_source": 0.2,
            "clip_target": 0.2,
            "clip_direction": 0.2,
            "clip_image": 0.8,
            "dino": 0.3,
        },
        "Zhao et al. 2024, data_generation/data_generation.py: --clip-threshold, "
        "--clip-dir-threshold, --clip-img-threshold, --dinov2-sim-threshold",
        {**L14, "dino": "facebook/dinov2-with-registers-large"},
    ),
}


def filled(check: dict[str, Any], usual: tuple[str, ...]) -> dict[str, Any]:
    """`check` of a config with what its preset says, where it does not say otherwise itself."""
    preset = PRESETS.get(str(check.get("preset")))
    if preset is None:
        return check
    scores = (*(check.get("scores") or usual), *preset.at_least)
    bounds = {name: {"min": least} for name, least in preset.at_least.items()}
    return {
        **check,
        "scores": list(dict.fromkeys(scores)),
        "keep": bounds | (check.get("keep") or {}),
        "models": {**preset.models, **(check.get("models") or {})},
    }
