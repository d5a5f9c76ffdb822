"""Judging networks of random weights against other ways to compute the same."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional as F

from pipeline.metrics._networks import clip, dino, fid, lpips, weights
from tests.evaluation.weights import SIDE, make_clip, make_dino, make_lpips

CPU = torch.device("cpu")
TEXTS = ["a red mug", "a very long text of a blue chair on a lawn of grass"]


@pytest.fixture(scope="module")
def pictures() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    small = rng.integers(0, 256, (3, 9, 9, 3), np.uint8)
    sizes = [(80, 60), (64, 64), (50, 90)]
    return [
        np.asarray(Image.fromarray(cells).resize(size, Image.Resampling.BICUBIC))
        for cells, size in zip(small, sizes, strict=True)
    ]


@pytest.fixture(scope="module")
def clip_folder(tmp_path_factory) -> Path:
    return make_clip(tmp_path_factory.mktemp("clip"))


@pytest.fixture(scope="module")
def dino_folder(tmp_path_factory) -> Path:
    return make_dino(tmp_path_factory.mktemp("dino"))


@pytest.fixture(scope="module")
def lpips_folder(tmp_path_factory) -> Path:
    return make_lpips(tmp_path_factory.mktemp("lpips"))


def prepared(picture: np.ndarray) -> torch.Tensor:
    """CLIP's preparation by hand: short side to 32, bicubic; the middle; normalised."""
    image = Image.fromarray(picture)
    scale = SIDE / min(image.size)
    width, height = (int(side * scale) for side in image.size)
    image = image.resize((width, height), Image.Resampling.BICUBIC)
    left, top = (width - SIDE) // 2, (height - SIDE) // 2
    pixels = np.asarray(image.crop((left, top, left + SIDE, top + SIDE)), np.float64) / 255
    mean = np.array([0.48145466, 0.4578275, 0.40821073])
    std = np.array([0.26862954, 0.26130258, 0.27577711])
    return torch.from_numpy((pixels - mean) / std).permute(2, 0, 1).float()


def test_clip_is_the_model_s_own_logit(clip_folder, pictures) -> None:
    from transformers import CLIPModel, CLIPTokenizer

    model = CLIPModel.from_pretrained(clip_folder).eval()
    tokens = CLIPTokenizer.from_pretrained(clip_folder)(
        TEXTS, padding=True, truncation=True, max_length=24, return_tensors="pt"
    )
    pixels = torch.stack([prepared(picture) for picture in pictures[:2]])
    with torch.no_grad():
        out = model(**tokens, pixel_values=pixels)
    wanted = (out.logits_per_image / model.logit_scale.exp()).detach().diagonal()
    found = clip.image_text(clip.Clip(clip_folder, CPU), pictures[:2], TEXTS)
    assert found == pytest.approx(wanted.tolist(), abs=2e-5)
    assert abs(found[0] - found[1]) > 1e-3


def test_clip_of_equal_pictures_and_directions(clip_folder, pictures) -> None:
    judge = clip.Clip(clip_folder, CPU)
    assert clip.image_image(judge, pictures, pictures) == pytest.approx([1.0] * 3)
    one, other = judge.images(pictures[:2])
    first, second = judge.texts(TEXTS)
    wanted = float(F.cosine_similarity(other - one, second - first, dim=0))
    found = clip.directional(
        judge, ([pictures[0]] * 2, [pictures[1], pictures[0]]), ([TEXTS[0]] * 2, [TEXTS[1]] * 2)
    )
    assert found[0] == pytest.approx(wanted, abs=1e-6)
    assert np.isnan(found[1]), "a picture that did not change has no direction"


def test_structure_is_the_keys_projected_by_hand(dino_folder, pictures) -> None:
    from transformers import ViTModel

    model = ViTModel.from_pretrained(dino_folder, add_pooling_layer=False).eval()
    layer = model.layers[-1]

    def similarity(picture: np.ndarray) -> torch.Tensor:
        whole = torch.from_numpy(picture.copy()).permute(2, 0, 1)[None].double()
        small = F.interpolate(whole, (224, 224), mode="bilinear", align_corners=False)[0]
        mean = torch.tensor([0.485, 0.456, 0.406]).double()[:, None, None]
        std = torch.tensor([0.229, 0.224, 0.225]).double()[:, None, None]
        pixels = ((small - mean) / std)[None].float()
        with torch.no_grad():
            before = model(pixels, output_hidden_states=True).hidden_states[-2][0]
        centred = before - before.mean(-1, keepdim=True)
        normed = centred / (before.var(-1, unbiased=False, keepdim=True) + 1e-6).sqrt()
        normed = normed * layer.layernorm_before.weight + layer.layernorm_before.bias
        keys = normed @ layer.attention.k_proj.weight.T + layer.attention.k_proj.bias
        return F.cosine_similarity(keys[:, None], keys[None], dim=-1).detach()

    square = [np.asarray(Image.fromarray(p).resize((96, 96))) for p in pictures[:2]]
    wanted = float(((similarity(square[0]) - similarity(square[1])) ** 2).mean())
    judge = dino.Dino(dino_folder, CPU)
    found = dino.structure_distances(judge, square[:1], square[1:], "0..255")
    assert wanted > 1e-4
    assert found == [pytest.approx(wanted, rel=1e-3)]
    assert dino.structure_distances(judge, square[1:], square[:1], "0..255") == pytest.approx(found)
    assert dino.structure_distances(judge, pictures, pictures) == [0, 0, 0]
    divided = dino.structure_distances(judge, square[:1], square[1:], "0..1")
    assert divided != pytest.approx(found), "PIE-Bench's pixels are not divided by 255"


def test_dino_sees_the_middle_of_a_picture(dino_folder, pictures) -> None:
    judge = dino.Dino(dino_folder, CPU)
    assert dino.subject_cosines(judge, pictures, pictures) == pytest.approx([1.0] * 3)
    wide = np.zeros((64, 256, 3), np.uint8)
    wide[:, 96:160] = pictures[1]
    other = wide.copy()
    other[:, :90] = 255
    assert dino.subject_cosines(judge, [wide], [other]) == pytest.approx([1.0])
    assert dino.subject_cosines(judge, pictures[:1], pictures[1:2])[0] < 0.9999


@pytest.mark.parametrize(
    ("size", "sides"),
    [((512, 512), (224, 224)), ((100, 200), (224, 448)), ((1000, 100), (480, 48))],
)
def test_sides_are_torchvision_s(size, sides) -> None:
    assert dino._fitted(*size) == sides


@pytest.mark.parametrize("net", ["squeeze", "alex"])
def test_lpips_by_hand(lpips_folder, pictures, net) -> None:
    state = torch.load(lpips_folder / lpips.FILES[net], weights_only=True)
    judge = lpips.Lpips(net, lpips_folder / lpips.FILES[net], CPU)
    pair = [torch.from_numpy(p.copy()).permute(2, 0, 1).float() / 127.5 - 1 for p in pictures[1:2]]
    pair.append(pair[0].flip(2))
    by_hand = _alex if net == "alex" else _squeeze
    total = 0.0
    heads = lpips._heads(net)
    layers = [by_hand(state, (x - lpips.SHIFT) / lpips.SCALE) for x in pair]
    assert len(layers[0]) == len(heads)
    for one, other, head in zip(*layers, heads, strict=True):
        one, other = F.normalize(one, dim=1), F.normalize(other, dim=1)
        total += float(((one - other) ** 2 * head[None, :, None, None]).sum(1).mean())
    assert total > 1e-3
    assert lpips.distances(judge, pair[:1], pair[1:]) == [pytest.approx(total, rel=1e-4)]
    assert lpips.distances(judge, pair[:1], pair[:1]) == [0]


def _alex(state, x):
    found, x = [], x[None]
    for number, (stride, pad, pool) in {
        0: (4, 2, False), 3: (1, 2, True), 6: (1, 1, True), 8: (1, 1, False), 10: (1, 1, False)
    }.items():  # fmt: skip
        x = F.max_pool2d(x, 3, 2) if pool else x
        weight, bias = (state[f"features.{number}.{kind}"] for kind in ("weight", "bias"))
        x = F.relu(F.conv2d(x, weight, bias, stride, pad))
        found.append(x)
    return found


def _squeeze(state, x):
    def conv(x, name, stride=1, pad=0):
        weight, bias = (state[f"features.{name}.{kind}"] for kind in ("weight", "bias"))
        return F.relu(F.conv2d(x, weight, bias, stride, pad))

    def fire(x, number):
        x = conv(x, f"{number}.squeeze")
        wide = conv(x, f"{number}.expand3x3", pad=1)
        return torch.cat([conv(x, f"{number}.expand1x1"), wide], 1)

    def pool(x):
        return F.max_pool2d(x, 3, 2, ceil_mode=True)

    one = conv(x[None], "0", 2)
    two = fire(fire(pool(one), 3), 4)
    three = fire(fire(pool(two), 6), 7)
    four = fire(pool(three), 9)
    five = fire(four, 10)
    six = fire(five, 11)
    return [one, two, three, four, five, six, fire(six, 12)]


def test_fid_is_the_formula() -> None:
    from scipy.linalg import sqrtm

    class Means(torch.nn.Module):
        num_features = 3

        def forward(self, x):
            return x.float().mean(dim=(2, 3)) / 255

    rng = np.random.default_rng(0)
    sets = [rng.integers(low, 256, (20, 3, 4, 4), np.uint8) for low in (0, 100)]
    real, edited = ([torch.from_numpy(picture) for picture in pictures] for pictures in sets)
    means = [pictures.mean(axis=(2, 3)) / 255 for pictures in sets]
    mu = [m.mean(0) for m in means]
    sigma = [np.cov(m, rowvar=False) for m in means]
    wanted = ((mu[0] - mu[1]) ** 2).sum()
    wanted += np.trace(sigma[0] + sigma[1] - 2 * sqrtm(sigma[0] @ sigma[1]).real)
    pairs = list(zip(real, edited, strict=True))
    found = fid.distance(fid.of_features(Means()), pairs)
    assert found == pytest.approx(wanted, rel=1e-4)
    assert np.isnan(fid.distance(fid.of_features(Means()), pairs[:1]))


def test_missing_weights_are_told_in_one_line(tmp_path, monkeypatch) -> None:
    (tmp_path / "empty").mkdir()
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    for call in (
        lambda: weights.folder("/no/such/folder", "--weights clip"),
        lambda: weights.folder(str(tmp_path / "empty"), "check.models.clip"),
        lambda: weights.file(
            str(tmp_path), "--weights lpips", "a.pth", "https://example.invalid/a.pth"
        ),
        lambda: weights.file("torch", "--weights lpips", "a.pth", "file:///nowhere/a.pth"),
    ):
        with pytest.raises(weights.MissingWeights) as said:
            call()
        assert "\n" not in str(said.value)
    assert "--weights lpips=FILE" in str(said.value)


def test_a_folder_of_another_network_is_refused(tmp_path, clip_folder, dino_folder) -> None:
    """transformers would draw what is missing at random, and tell numbers all the same."""
    for judge, folder in ((clip.Clip, dino_folder), (dino.Dino, clip_folder)):
        with pytest.raises((weights.MissingWeights, ValueError, TypeError)):
            judge(folder, CPU)
    from safetensors.torch import load_file, save_file

    shutil.copytree(clip_folder, tmp_path / "less")
    state = load_file(tmp_path / "less/model.safetensors")
    state.pop("visual_projection.weight")
    save_file(state, tmp_path / "less/model.safetensors", {"format": "pt"})
    with pytest.raises(weights.MissingWeights, match=r"1 of its weights .* visual_proj"):
        clip.Clip(tmp_path / "less", CPU)


def test_dinov2_is_read_too(tmp_path, pictures, clip_folder) -> None:
    from transformers import Dinov2WithRegistersConfig, Dinov2WithRegistersModel

    small = {"hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = Dinov2WithRegistersConfig(**small, image_size=224, patch_size=14)
    model = Dinov2WithRegistersModel(config).eval()
    model.save_pretrained(tmp_path)
    judge = dino.Dino(tmp_path, CPU)
    prepared = torch.stack([dino._middle(picture, None) for picture in pictures[:2]])
    with torch.no_grad():
        pooled = model(prepared).pooler_output
    wanted = float(F.cosine_similarity(pooled[0], pooled[1], dim=0))
    found = dino.subject_cosines(judge, pictures[:1], pictures[1:2])
    assert found == [pytest.approx(wanted, abs=1e-5)]
    with pytest.raises(weights.MissingWeights, match="is a clip, not a DINO"):
        dino.Dino(clip_folder, CPU)
