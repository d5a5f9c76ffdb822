"""A whole training of a tiny model: it resumes exactly, and diffusers loads what it writes."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline
from safetensors.torch import load_file

from pipeline.demo.loop import Plan, rate, saved_step
from pipeline.demo.photos import HELD_OUT, photos
from pipeline.demo.scenes import Scene
from pipeline.demo.train import PRESETS, Preset, train

TINY = Preset(
    scenes=8,
    size=64,
    crop=32,
    autoencoder_channels=(8, 16, 16, 16),
    autoencoder_groups=8,
    autoencoder=Plan(steps=4, batch=4, learning_rate=1e-3, save_every=2),
    unet_channels=(16, 32, 32),
    text_width=32,
    denoiser=Plan(steps=4, batch=4, learning_rate=1e-3, save_every=2),
)


class Stopped(Exception):
    pass


def stop_at(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Lets the training die just after it has written a preview of this name."""
    from PIL import Image

    save = Image.Image.save

    def saving(self: Image.Image, path: Path, *args: object) -> None:
        save(self, path)
        if Path(path).name == name:
            raise Stopped

    monkeypatch.setattr(Image.Image, "save", saving)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole")
    train(TINY, folder, folder / "model")
    return folder


@pytest.mark.parametrize("where", ["autoencoder-000002.png", "denoiser-000002.png"])
def test_two_steps_and_a_resume_equal_four_steps(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    with monkeypatch.context() as patch, pytest.raises(Stopped):
        stop_at(patch, where)
        train(TINY, tmp_path, tmp_path / "model")
    assert not (tmp_path / "model").exists()
    train(TINY, tmp_path, tmp_path / "model")
    for name in ("autoencoder", "denoiser"):
        once = load_file(whole / f"{name}.safetensors")
        twice = load_file(tmp_path / f"{name}.safetensors")
        assert saved_step(tmp_path / f"{name}.safetensors") == 4
        assert once.keys() == twice.keys()
        for key, tensor in once.items():
            torch.testing.assert_close(tensor, twice[key], rtol=0, atol=1e-6, msg=f"{name} {key}")


def test_training_moves_the_weights_and_their_average(whole: Path) -> None:
    tensors = load_file(whole / "denoiser.safetensors")
    name = "unet.conv_in.weight"
    assert tensors[f"exp_avg_sq.{name}"].abs().max() > 0
    assert not torch.equal(tensors[f"model.{name}"], tensors[f"averaged.{name}"])


def test_diffusers_loads_the_folder(whole: Path) -> None:
    folder = whole / "model"
    weights = [
        path for path in folder.rglob("*") if path.suffix in (".bin", ".pt", ".ckpt", ".pkl")
    ]
    assert weights == []
    assert len(list(folder.rglob("*.safetensors"))) == 3
    pipeline = StableDiffusionPipeline.from_pretrained(folder)
    assert pipeline.safety_checker is None
    pipeline.set_progress_bar_config(disable=True)
    image = pipeline("a red mug on wood", num_inference_steps=2, output_type="np").images
    assert image.shape == (1, 64, 64, 3)
    assert np.isfinite(image).all()


def test_latents_have_unit_spread(whole: Path) -> None:
    latents = load_file(whole / "latents.safetensors")
    pipeline = StableDiffusionPipeline.from_pretrained(whole / "model")
    scaled = latents["mean"].float() * pipeline.vae.config.scaling_factor
    assert scaled.std().item() == pytest.approx(1, abs=1e-3)


def test_a_model_folder_can_be_the_start(whole: Path, tmp_path: Path) -> None:
    standing = replace(TINY.autoencoder, steps=1, learning_rate=0.0)
    preset = replace(TINY, autoencoder=standing, denoiser=replace(standing, steps=1))
    train(preset, tmp_path, tmp_path / "model", start_from=whole / "model")
    for part in ("vae", "unet", "text_encoder"):
        before = next((whole / "model" / part).glob("*.safetensors"))
        after = next((tmp_path / "model" / part).glob("*.safetensors"))
        old, new = load_file(before), load_file(after)
        assert all(torch.allclose(old[key], new[key], atol=1e-3) for key in old)


def test_photos_are_drawn_once_and_match_their_seeds(tmp_path: Path) -> None:
    drawn = photos(tmp_path, 3, 32)
    assert (drawn[2] == np.asarray(Scene.draw(2).render(32))).all()
    (path,) = tmp_path.iterdir()
    stamp = path.stat().st_mtime_ns
    assert (photos(tmp_path, 3, 32) == drawn).all()
    assert path.stat().st_mtime_ns == stamp


def test_training_never_reaches_the_held_out_seeds(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="held-out"):
        photos(tmp_path, HELD_OUT + 1, 8)
    assert all(preset.scenes <= HELD_OUT for preset in PRESETS.values())


def test_the_rate_warms_up_and_falls_to_zero() -> None:
    plan = Plan(steps=900, batch=1, learning_rate=2e-3, warm_up=100)
    rates = [rate(plan, step) for step in range(900)]
    assert rates[0] == pytest.approx(2e-5)
    assert rates[300] == 2e-3
    assert rates[899] == pytest.approx(2e-3 / 300)
