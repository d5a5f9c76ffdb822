"""Scores that need a network: tiny random weights here and, by other ways, in other libraries."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch
from PIL import Image
from pyroaring import BitMap
from torch.nn.functional import cosine_similarity

from pipeline.engine.estimate import estimate
from pipeline.engine.todo import read
from pipeline.errors import UsageError
from pipeline.images.bucket import bucket, to_model, to_rgb
from pipeline.images.decode import decode
from pipeline.section import build
from pipeline.stages import Check, Edit, Plan
from pipeline.stages.judge import NETWORKS, Once
from tests.datasets import catalogue, settings
from tests.evaluation.weights import make_all

ALL = ("clip_source", "clip_target", "clip_direction", "clip_image", "dino", "lpips")
VERDICT = "model_verdict"


@pytest.fixture(scope="module")
def judges(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return make_all(tmp_path_factory.mktemp("judges"))


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return catalogue(tmp_path_factory.mktemp("photos") / "in", shards=1, per_shard=2)


@pytest.fixture
def config(photos: Path, tmp_path: Path, tiny_model: Path, judges: dict[str, str]) -> Any:
    def made(run: Any = None, **check: Any) -> Any:
        check = {"scores": [*ALL, VERDICT], "models": judges, **check}
        mask = {"threshold": 0.35, "noise_maps": 2}
        run = {"cpus_per_actor": 1, **(run or {})}
        more = {"edit": {"steps": 2}, "mask": mask, "check": check, "run": run}
        return settings(photos, tmp_path / "out", tiny_model, **more)

    return made


def edited(config: Any) -> list[dict[str, Any]]:
    """The rows after edit and check."""
    shards = build(config.input).listing().shards
    plan, edit, check = Plan(config), Edit(config), Check(config)
    tables = [check(edit(plan(table))) for s in shards for table in read(config, s, BitMap())]
    return pa.concat_tables(tables).to_pylist()


def seen(row: dict[str, Any], model: Any) -> tuple[np.ndarray, np.ndarray]:
    """Source and edit of a row, decoded anew, as the model sees them."""
    size = bucket(row["width"], row["height"], model.resolution, model.latent_multiple)
    files = (decode(row[name], 10**8).on_white() for name in ("image", "edited"))
    return tuple(to_rgb(to_model(picture, size)) for picture in files)


def clip_alone(folder: str, pictures: Any, texts: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """transformers' own way to the features of pictures and texts, unit vectors."""
    from transformers import CLIPImageProcessorPil, CLIPModel, CLIPTokenizer

    model = CLIPModel.from_pretrained(folder).eval()
    frames = [Image.fromarray(picture) for picture in pictures]
    pixels = CLIPImageProcessorPil.from_pretrained(folder)(images=frames, return_tensors="pt")
    tokens = CLIPTokenizer.from_pretrained(folder)(
        texts, padding=True, truncation=True, max_length=24, return_tensors="pt"
    )
    with torch.no_grad():
        out = model(**tokens, **pixels)
    return out.image_embeds, out.text_embeds


def test_each_score_is_what_another_library_says(config, judges) -> None:
    rows = edited(config())
    assert not [row["error_message"] for row in rows if row["error_kind"]]
    changed = [row for row in rows if row["image"] != row["edited"] and row["mask_state"] != "full"]
    assert changed, "some edit changes its picture"
    model = build(config().model)
    for row in changed[:3]:
        pair = seen(row, model)
        images, texts = clip_alone(
            judges["clip"], pair, [row["source_prompt"], row["target_prompt"]]
        )
        wanted = {
            "clip_source": images[0] @ texts[0],
            "clip_target": images[1] @ texts[1],
            "clip_image": images[0] @ images[1],
            "clip_direction": cosine_similarity(images[1] - images[0], texts[1] - texts[0], dim=0),
        }
        for name, value in wanted.items():
            assert row[f"score_{name}"] == pytest.approx(float(value), abs=2e-4), name
        assert row["score_dino"] == pytest.approx(dino_alone(judges["dino"], pair), abs=2e-4)
        assert row["score_lpips"] > 0


def dino_alone(folder: str, pair: Any) -> float:
    """transformers' own preparation and model."""
    from transformers import ViTImageProcessorPil, ViTModel

    prepare = ViTImageProcessorPil(
        do_resize=False, image_mean=[0.485, 0.456, 0.406], image_std=[0.229, 0.224, 0.225]
    )
    frames = [_middle(Image.fromarray(picture)) for picture in pair]
    model = ViTModel.from_pretrained(folder, add_pooling_layer=False, layer_norm_eps=1e-6).eval()
    with torch.no_grad():
        states = model(**prepare(images=frames, return_tensors="pt")).last_hidden_state
    return float(cosine_similarity(states[0, 0], states[1, 0], dim=0))


def _middle(frame: Image.Image) -> Image.Image:
    short = min(frame.size)
    frame = frame.resize([256 * side // short for side in frame.size], Image.Resampling.BICUBIC)
    left, top = (round((side - 224) / 2) for side in frame.size)
    return frame.crop((left, top, left + 224, top + 224))


def test_torchmetrics_agrees_on_image_and_text(judges) -> None:
    from torchmetrics.functional.multimodal import clip_score
    from transformers import AutoProcessor, CLIPModel

    from pipeline.metrics import clip_target
    from pipeline.metrics._shown import Shown

    rng = np.random.default_rng(0)
    pictures = rng.integers(0, 256, (3, 48, 40, 3), np.uint8)
    cells = np.ones((6, 5), bool)
    texts = ["a red mug", "a blue mug", "a lawn"]
    shown = [Shown(p, p, "", t, cells, 0) for p, t in zip(pictures, texts, strict=True)]
    place = NETWORKS["clip"].find(judges["clip"], "")
    found = clip_target.scores(shown, NETWORKS["clip"].load(place, torch.device("cpu")))

    class Tensors(CLIPModel):
        """As transformers 4 had it, and torchmetrics expects it."""

        def get_image_features(self, *a: Any, **k: Any) -> Any:
            return super().get_image_features(*a, **k).pooler_output

        def get_text_features(self, *a: Any, **k: Any) -> Any:
            return super().get_text_features(*a, **k).pooler_output

    def ours() -> tuple[Any, Any]:
        model = Tensors.from_pretrained(judges["clip"])
        return model, AutoProcessor.from_pretrained(judges["clip"], use_fast=False)

    for picture, text, value in zip(pictures, texts, found, strict=True):
        theirs = clip_score(torch.from_numpy(picture).permute(2, 0, 1), text, ours)
        assert max(0, 100 * value) == pytest.approx(float(theirs), abs=0.05)


def test_lpips_of_equal_pictures_and_by_hand(judges) -> None:
    """The network itself is checked layer by layer in tests/metrics/test_networks.py."""
    from pipeline.metrics import lpips
    from pipeline.metrics._shown import Shown

    rng = np.random.default_rng(1)
    one, other = rng.integers(0, 256, (2, 64, 64, 3), np.uint8)
    cells = np.ones((8, 8), bool)
    edits = [Shown(one, after, "", "", cells, 0) for after in (one, other)]
    network = NETWORKS["lpips"]
    judge = network.load(network.find(judges["lpips"], ""), torch.device("cpu"))
    same, changed = lpips.scores(edits, judge)
    pair = [torch.from_numpy(p / 127.5 - 1).permute(2, 0, 1)[None].float() for p in (one, other)]
    assert same == 0
    assert changed == pytest.approx(judge.distances(*pair)[0], rel=1e-5)


def test_an_unchanged_picture_has_no_direction_and_keeps_no_bound(config) -> None:
    """A score that is not defined passes no bound."""
    keep = {"clip_direction": {"min": -1}}
    rows = edited(config(scores=[*ALL, VERDICT], keep=keep))
    still = [row for row in rows if row["mask_area"] == 0]
    for row in still:
        assert row["score_clip_direction"] is None and row["score_model_verdict"] is None
        assert row["error_kind"] == "rejected"
        assert "clip_direction: it is not defined" in row["error_message"]
    for row in rows:
        assert (row["error_kind"] is None) == (row["score_clip_direction"] is not None)
        assert row["score_clip_target"] is not None, "the other scores are there all the same"


def test_scores_do_not_depend_on_what_shares_the_batch(config) -> None:
    together = {(r["key"], r["edit"]): r for r in edited(config())}
    alone = edited(
        config().model_copy(update={"run": config().run.model_copy(update={"chunk_rows": 1})})
    )
    for row in alone:
        for name in (*ALL, VERDICT):
            other = together[row["key"], row["edit"]][f"score_{name}"]
            assert row[f"score_{name}"] == (other and pytest.approx(other, abs=2e-4)), name


def test_each_picture_and_text_is_seen_once() -> None:
    asked: list[str] = []

    class Network:
        def texts(self, texts):
            asked.extend(texts)
            return torch.tensor([[float(len(text))] for text in texts])

    once = Once(Network())
    assert once.texts(["a", "bb", "a"]).flatten().tolist() == [1, 2, 1]
    assert once.texts(["bb", "ccc"]).flatten().tolist() == [2, 3]
    assert asked == ["a", "bb", "ccc"]


def test_missing_weights_are_told_before_anything_is_read(config, tmp_path, monkeypatch) -> None:
    from pipeline.engine.flow import _checked

    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    models = {"clip": "/no/clip", "dino": str(tmp_path), "lpips": "/no/file.pth"}
    with pytest.raises(UsageError) as said:
        _checked(config(models=models))
    lines = str(said.value).splitlines()
    assert len(lines) == 3
    assert lines[0].startswith("check.models.clip: /no/clip: no such folder")
    assert "config.json" in lines[1] and "alexnet-owt-7be5be79.pth" in lines[2]
    with pytest.raises(UsageError, match=r"check\.models\.clip"):
        Edit(config(models=models))
    _checked(config(scores=["edit_change", VERDICT], models=models))  # none of them is needed


def test_a_network_that_fails_on_one_picture_fails_one_row(config, monkeypatch) -> None:
    from pipeline.metrics import clip_image

    def poor(edits, network, real=clip_image.scores):
        if any("blue" in edit.target_prompt for edit in edits):
            raise RuntimeError("no")
        return real(edits, network)

    monkeypatch.setattr(sys.modules["pipeline.metrics.clip_image"], "scores", poor)
    rows = edited(config())
    blue = [row for row in rows if "blue" in row["target_prompt"]]
    assert blue and len(blue) < len(rows)
    for row in rows:
        assert row["error_kind"] == ("internal" if "blue" in row["target_prompt"] else None)
        assert row["error_stage"] in (None, "check")


def test_the_plan_counts_the_verdict(config) -> None:
    without = estimate(config(scores=["edit_change"]))
    with_it = estimate(config(scores=["edit_change", VERDICT]))
    assert with_it.evaluations - without.evaluations == 24 * without.edits
