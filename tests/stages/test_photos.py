"""JPEGs through the stages: the format of the source back, scores of the file that is written."""

from __future__ import annotations

import io
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image
from pyroaring import BitMap

from pipeline.engine.todo import read
from pipeline.images.decode import decode
from pipeline.section import build
from pipeline.stages import Check, Edit, Plan
from pipeline.stages import edit as module
from tests.datasets import photo, settings, write_tar


def jpeg(seed: int, mode: str = "RGB", **options: Any) -> bytes:
    sink = io.BytesIO()
    image = Image.open(io.BytesIO(photo(seed, (128, 96)))).convert(mode)
    image.save(sink, "JPEG", quality=90, **options)
    return sink.getvalue()


def rows(folder: Path, model: Path, pictures: list[bytes], **more: Any) -> list[dict[str, Any]]:
    write_tar(folder / "in" / "a.tar", [(f"{i}", p, "a red mug") for i, p in enumerate(pictures)])
    scores = {"scores": ["background_psnr", "background_ssim", "edit_change", "texture_kept"]}
    more = {"prompts": {"colours": ["blue", "green"]}, "check": scores, **more}
    config = settings(folder / "in", folder / "out", model, **more)
    plan, edit, check = Plan(config), Edit(config), Check(config)
    shards = build(config.input).listing().shards
    tables = [check(edit(plan(t))) for s in shards for t in read(config, s, BitMap())]
    return [row for table in tables for row in table.to_pylist()]


@pytest.mark.parametrize("paste_back", ["feather", "recolor"])
def test_a_jpeg_comes_back_as_one(tmp_path: Path, tiny_model: Path, paste_back: str) -> None:
    made = rows(tmp_path, tiny_model, [jpeg(1), jpeg(2)], edit={"paste_back": paste_back})
    assert len(made) == 4 and any(row["mask_state"] == "partial" for row in made)
    for row in made:
        assert row["error_kind"] is None, row["error_message"]
        assert row["encoding"] == "copied" and row["edited"][:3] == b"\xff\xd8\xff"
        before, after = (decode(row[name], 100_000).rgb for name in ("image", "edited"))
        mask = np.asarray(Image.open(io.BytesIO(row["mask"])))
        assert np.array_equal(before[mask == 0], after[mask == 0])
        assert row["score_background_psnr"] == 100 and row["score_background_ssim"] == 1
        assert row["mask_area"] <= (mask > 0).mean()  # the file's mask has whole blocks


def test_scores_are_those_of_the_file_where_it_is_coded_anew(
    tmp_path: Path, tiny_model: Path
) -> None:
    for row in rows(tmp_path, tiny_model, [jpeg(1, "L"), jpeg(2, "CMYK")]):
        assert row["error_kind"] is None, row["error_message"]
        assert row["encoding"].startswith("fresh: its colours are")
        before, after = (decode(row[name], 100_000).rgb for name in ("image", "edited"))
        outside = np.asarray(Image.open(io.BytesIO(row["mask"]))) == 0
        if outside.any():
            error = np.mean((before[outside].astype(float) - after[outside]) ** 2)
            psnr = min(100.0, 10 * np.log10(255**2 / max(error, 1e-9)))
            assert row["score_background_psnr"] == pytest.approx(psnr, abs=0.01)


def test_pictures_are_read_and_written_by_as_many_threads_as_the_actor_has_cpus(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for cpus, wanted in ((1, 1), (3, 3), (12, 12)):
        config = settings(tmp_path, tmp_path / "out", "m", run={"cpus_per_actor": cpus})
        assert config.run.threads == wanted
    monkeypatch.setattr("os.cpu_count", lambda: 16)
    shared = settings(tmp_path, tmp_path / "out", "m", run={"cpus_per_actor": None, "actors": 4})
    assert shared.run.threads == 4


def test_a_photo_that_is_not_held_meanwhile_gives_the_same_rows(
    tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    turned = Image.Exif()
    turned[0x0112] = 6
    pictures = [jpeg(1), jpeg(2, exif=turned), photo(3, (60, 80))]
    held = rows(tmp_path / "a", tiny_model, pictures)
    monkeypatch.setattr(module, "LARGE", 0)
    monkeypatch.setattr(module, "PIXELS_A_THREAD", 1)  # one at a time
    again = rows(tmp_path / "b", tiny_model, pictures)
    changed = {"shard_version"}  # the tar was written a moment later
    assert [row | dict.fromkeys(changed) for row in again] == [
        row | dict.fromkeys(changed) for row in held
    ]
    assert [row["encoding"] for row in held] == ["copied"] * 4 + ["lossless"] * 2


def test_photos_edited_together_are_bounded_by_their_edits_too() -> None:
    seen = np.zeros((512, 512, 3), np.uint8)
    jobs = [SimpleNamespace(size=seen.shape[:2], tries=[{}] * 50, index=i) for i in range(5)]
    jobs.append(SimpleNamespace(size=(256, 256), tries=[{}] * 999, index=5))
    batches = module._by_size(jobs, lambda size: 64)  # type: ignore[arg-type]
    assert [[job.index for job in batch] for batch in batches] == [[0, 1], [2, 3], [4], [5]]
    batches = module._by_size(jobs, lambda size: 1)  # type: ignore[arg-type]
    assert [len(batch) for batch in batches] == [1] * 6
