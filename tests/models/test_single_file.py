"""`import-model`: a checkpoint of one file becomes the folder that it came from, or is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.config import variants
from pipeline.errors import UsageError
from pipeline.models._single_file import make_folder
from pipeline.section import build
from tests.models import original_layout as original
from tests.models.tiny_families import make
from tests.tiny import make_folder as make_tiny

KINDS = variants("models")
FIRST, F8 = "model.diffusion_model.input_blocks.0.0", torch.float8_e4m3fn
SD, XL, FLUX, Z = "stable_diffusion", "stable_diffusion_xl", "flux", "z_image"


def _folder(family: str, folder: Path, seed: int) -> Path:
    return make_tiny(folder, seed=seed) if family == SD else make(family, folder, seed)


def _tensors(family: str, folder: Path) -> dict[str, torch.Tensor]:
    """Of a whole file of the family, as people share them."""
    if family in (FLUX, Z):
        return original.part(folder, "transformer")
    found = original.unet(original.part(folder, "unet"))
    found |= original.autoencoder(original.part(folder, "vae"))
    words, more = original.part(folder, "text_encoder"), {}
    if family == XL:
        second = original.part(folder, "text_encoder_2")
        more = original.open_clip(second, "conditioner.embedders.1.model")
    place = (
        "conditioner.embedders.0.transformer" if family == XL else "cond_stage_model.transformer"
    )
    return found | original.clip(words, place) | more


def _model(family: str, folder: Path) -> Any:
    return build(KINDS[family](path=str(folder), device="cpu", dtype="float32"))


def _import(file: Path, base: Path, out: Path) -> str:
    return make_folder(file, base, out, KINDS, lambda _: None)


@pytest.mark.parametrize("family", [SD, XL, FLUX, Z])
def test_the_folder_is_the_one_that_the_file_came_from(tmp_path: Path, family: str) -> None:
    base, tuned = (_folder(family, tmp_path / str(seed), seed) for seed in (0, 1))
    file, out = tmp_path / "tuned.safetensors", tmp_path / "new" / "out"
    save_file(_tensors(family, tuned), file)
    digest = _import(file, base, out)
    model, expected, before = (_model(family, folder) for folder in (out, tuned, base))
    assert model.weights == digest != before.weights
    own = {"unet", "transformer"} | (
        {"vae", "text_encoder", "text_encoder_2"} if family in (SD, XL) else set()
    )
    for name, network in model._networks.items():
        theirs = expected if name in own else before
        for key, value in theirs._networks[name].state_dict().items():
            assert torch.equal(network.state_dict()[key], value), (name, key)
    assert model.text(["a"])["text"].isfinite().all()
    assert [path.name for path in out.parent.iterdir()] == ["out"]


def test_what_a_file_says_of_its_noise_is_kept(tmp_path: Path) -> None:
    folder = make(XL, tmp_path / "base")
    marks = {"v_pred": torch.zeros(0), "ztsnr": torch.zeros(0)}
    save_file(_tensors(XL, folder) | marks, tmp_path / "v.safetensors")
    _import(tmp_path / "v.safetensors", folder, tmp_path / "out")
    levels = _model(XL, tmp_path / "out")._levels
    assert levels.v_prediction and levels.timesteps(2).tolist() == [499, 999]
    assert float(levels.alpha(torch.tensor([999]))) < 2e-3


def _pickled(tensors: Any, file: Path) -> Path:
    torch.save(tensors, file.with_suffix(".ckpt"))
    return file.with_suffix(".ckpt")


def _less(tensors: Any, file: Path) -> Path:
    return _with(file, {k: v for k, v in tensors.items() if "middle_block.1.norm" not in k})


def _with(file: Path, tensors: Any) -> Path:
    save_file(tensors, file)
    return file


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (_pickled, "pickled"),
        (lambda tensors, file: file, "cannot be read"),
        (lambda tensors, file: [file.write_text("no tensors"), file][1], "cannot be read"),
        (_less, "of another network than --base: of mid_block.attentions.0.norm"),
        (
            lambda tensors, file: _with(
                file, tensors | {f"{FIRST}.weight": torch.ones(8, 9, 3, 3)}
            ),
            "it has (8, 9, 3, 3), expected (8, 4, 3, 3)",
        ),
        (
            lambda tensors, file: _with(file, {"lora_unet_down.alpha": torch.ones(1)}),
            "of another network than --base",
        ),
        (
            lambda tensors, file: _with(file, {k: v.to(F8) for k, v in tensors.items()}),
            "quantised weights cannot be used",
        ),
        (
            lambda tensors, file: _with(file, {k: v * torch.nan for k, v in tensors.items()}),
            "not finite",
        ),
    ],
    ids=["pickle", "none", "text", "less", "inpainting", "lora", "float8", "nan"],
)  # fmt: skip
def test_what_makes_no_folder_is_told_and_leaves_nothing(
    tmp_path: Path, tiny_model: Path, write: Any, message: str
) -> None:
    file = write(_tensors(SD, tiny_model), tmp_path / "x.safetensors")
    with pytest.raises(UsageError) as caught:
        _import(file, tiny_model, tmp_path / "out")
    said = str(caught.value)
    assert message in said and said.startswith(str(file)) and "\n" not in said
    assert {path.name for path in tmp_path.iterdir()} <= {file.name}


def test_a_network_of_more_blocks_than_the_base_is_told(tmp_path: Path) -> None:
    base = make(FLUX, tmp_path / "base")
    tensors = _tensors(FLUX, base)
    more = {
        name.replace("blocks.0.", "blocks.1."): value.clone() for name, value in tensors.items()
    }
    save_file(tensors | more, tmp_path / "x.safetensors")
    with pytest.raises(UsageError, match="has more than the one of --base"):
        _import(tmp_path / "x.safetensors", base, tmp_path / "out")


def test_a_folder_that_is_there_is_not_touched(tmp_path: Path, tiny_model: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine").touch()
    save_file(_tensors(SD, tiny_model), tmp_path / "x.safetensors")
    for target in (out, out / "mine"):
        with pytest.raises(UsageError, match="is there already"):
            _import(tmp_path / "x.safetensors", tiny_model, target)
    with pytest.raises(UsageError, match="--base: there is no folder"):
        _import(tmp_path / "x.safetensors", tmp_path / "nowhere", tmp_path / "new")
    assert [path.name for path in out.iterdir()] == ["mine"]


def test_the_command_says_where_the_folder_is(tmp_path: Path, tiny_model: Path) -> None:
    save_file(_tensors(SD, tiny_model), tmp_path / "x.safetensors")
    arguments = ["import-model", str(tmp_path / "x.safetensors"), str(tmp_path / "out")]
    done = CliRunner().invoke(app, [*arguments, "--base", str(tiny_model)])
    assert done.exit_code == 0 and str(tmp_path / "out") in done.output.replace("\n", "")
    index = json.loads((tmp_path / "out" / "model_index.json").read_text())
    assert index["_class_name"] == "StableDiffusionPipeline"
