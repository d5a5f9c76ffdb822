"""Models that were distilled to few steps are told, by plan and by run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.config import variants
from pipeline.models.facts import FEW_STEPS, facts, is_few_step

KINDS, XL = variants("models"), "stable_diffusion_xl"


@pytest.mark.parametrize(
    ("family", "path", "more", "told"),
    [
        ("stable_diffusion", "stabilityai/sd-turbo", {}, True),
        ("stable_diffusion", "demo", {}, False),
        (XL, "models/DreamShaperXL_Lightning", {}, True),
        (XL, "stabilityai/stable-diffusion-xl-base-1.0", {}, False),
        (XL, "x/base", {"loras": [{"path": "Hyper-SDXL-8steps.safetensors"}]}, True),
        (XL, "x/base", {"loras": [{"path": "dmd2_sdxl_4step.safetensors"}]}, True),
        (XL, "x/base", {"loras": [{"path": "admdress.safetensors"}]}, False),
        ("stable_diffusion_3", "stabilityai/stable-diffusion-3.5-large-turbo", {}, True),
        ("flux", "black-forest-labs/FLUX.1-schnell", {"told": False}, True),
        ("flux", "my/flux", {"told": False}, True),
        ("flux", "black-forest-labs/FLUX.1-dev", {}, False),
        ("z_image", "Tongyi-MAI/Z-Image-Turbo", {}, True),
        ("z_image", "Tongyi-MAI/Z-Image", {}, False),
    ],
)  # fmt: skip
def test_names_and_configs_that_say_few_steps(
    family: str, path: str, more: Any, told: bool
) -> None:
    config = KINDS[family](path=path, **more)
    assert is_few_step(config) is told


@pytest.mark.parametrize("distilled", [True, False])
def test_a_distilled_folder_says_so(tmp_path: Path, distilled: bool) -> None:
    (tmp_path / "model_index.json").write_text(json.dumps({"is_distilled": distilled}))
    config = KINDS["flux2_klein"](path=str(tmp_path))
    assert is_few_step(config) is distilled


def test_the_plan_says_so() -> None:
    assert ("few steps", FEW_STEPS) in facts(KINDS["z_image"](path="Tongyi-MAI/Z-Image-Turbo"))
    assert "few steps" not in dict(facts(KINDS["z_image"](path="Tongyi-MAI/Z-Image")))
