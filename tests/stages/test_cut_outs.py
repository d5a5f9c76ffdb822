"""Cut-outs through the stages: alpha comes out as it went in, what is not seen is not edited."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pyroaring import BitMap

from pipeline.engine.todo import read
from pipeline.images.decode import decode
from pipeline.section import build
from pipeline.stages import Check, Edit, Plan
from tests.datasets import photo, settings, write_tar


def cut_out(seed: int, alpha: Any) -> bytes:
    image = Image.open(io.BytesIO(photo(seed))).convert("RGBA")
    image.putalpha(Image.fromarray(alpha))
    sink = io.BytesIO()
    image.save(sink, "PNG")
    return sink.getvalue()


def disc(radius: float) -> Any:
    y, x = np.mgrid[:64, :64] - 31.5
    return np.clip((radius - np.hypot(x, y)) * 60 + 128, 0, 255).astype(np.uint8)


def corner() -> Any:
    alpha = np.zeros((64, 64), np.uint8)
    alpha[:2, :2] = 255
    return alpha


def rows(
    folder: Path, model: Path, alphas: list[Any], image_format: str = "png", **more: Any
) -> list[dict[str, Any]]:
    pictures = [(f"{i}", cut_out(i, alpha), "a red mug") for i, alpha in enumerate(alphas)]
    write_tar(folder / "in" / "a.tar", pictures)
    scores = ["background_psnr", "background_ssim", "edit_change", "texture_kept"]
    config = settings(
        folder / "in", folder / "out", model, check={"scores": scores},
        prompts={"colours": ["blue"]}, **more,
    )  # fmt: skip
    output = config.output.model_copy(update={"image_format": image_format})
    config = config.model_copy(update={"output": output})
    plan, edit, check = Plan(config), Edit(config), Check(config)
    shards = build(config.input).listing().shards
    tables = [check(edit(plan(t))) for s in shards for t in read(config, s, BitMap())]
    return [row for table in tables for row in table.to_pylist()]


@pytest.mark.parametrize("paste_back", ["none", "feather", "recolor"])
@pytest.mark.parametrize("image_format", ["png", "webp"])
def test_alpha_stays_and_bounds_the_mask(
    tmp_path: Path, tiny_model: Path, paste_back: str, image_format: str
) -> None:
    discs = [disc(20), disc(28)]
    made = rows(tmp_path, tiny_model, discs, image_format, edit={"paste_back": paste_back})
    assert len(made) == 2 and any(row["mask_area"] > 0 for row in made)
    for row in made:
        assert row["error_kind"] is None, row["error_message"]
        before, after = (decode(row[name], 10_000) for name in ("image", "edited"))
        assert before.alpha is not None and after.alpha is not None
        assert np.array_equal(before.alpha, after.alpha)
        clear = before.alpha == 0
        assert np.array_equal(before.rgb[clear], after.rgb[clear])
        mask = np.asarray(Image.open(io.BytesIO(row["mask"])))
        assert (mask[clear] == 0).all()
        assert row["mask_area"] == pytest.approx((mask > 0).mean())
        if paste_back != "none":
            assert np.array_equal(before.rgb[mask == 0], after.rgb[mask == 0])
            assert row["score_background_psnr"] == 100 and row["score_background_ssim"] == 1


def test_a_mask_of_transparent_pixels_alone_is_empty(tmp_path: Path, tiny_model: Path) -> None:
    (kept,) = rows(tmp_path / "a", tiny_model, [corner()])
    if kept["mask_area"] == 0:
        assert kept["mask_state"] == "empty"
        (dead,) = rows(tmp_path / "b", tiny_model, [corner()], mask={"on_empty": "dead"})
        assert dead["error_kind"] == "empty_mask"
    else:
        assert kept["mask_area"] <= 4 / 64**2


def test_a_wholly_transparent_picture_is_a_dead_letter(tmp_path: Path, tiny_model: Path) -> None:
    (row,) = rows(tmp_path, tiny_model, [np.zeros((64, 64), np.uint8)])
    assert (row["error_stage"], row["error_kind"]) == ("edit", "invisible")
