"""Folders of the newer families that are refused, in one line with the true reason."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch
from safetensors.torch import load_file, save_file

from pipeline.config import variants
from pipeline.errors import UsageError
from pipeline.models import _flow
from pipeline.section import build, check
from tests.models.tiny_families import make

XL, SD3, FLUX, Z, KLEIN = (
    "stable_diffusion_xl", "stable_diffusion_3", "flux", "z_image", "flux2_klein"
)  # fmt: skip
INDEX, NET = "model_index.json", "transformer/config.json"
SCHEDULER = "scheduler/scheduler_config.json"


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    made: dict[str, Path] = {}

    def folder(family: str) -> Path:
        if family not in made:
            made[family] = make(family, tmp_path_factory.mktemp("folders") / family)
        return made[family]

    return folder


@pytest.fixture
def copied(folders: Callable[[str], Path], tmp_path: Path) -> Callable[[str], Path]:
    return lambda family: Path(shutil.copytree(folders(family), tmp_path / "model"))


def _change(path: Path, **values: Any) -> None:
    """Sets keys of a JSON file; an ellipsis deletes one."""
    whole = json.loads(path.read_text()) | values
    path.write_text(json.dumps({key: value for key, value in whole.items() if value is not ...}))


def _built(family: str, folder: Path, **settings: Any) -> Any:
    settings = {"device": "cpu", "dtype": "float32"} | settings
    return build(variants("models")[family](path=str(folder), **settings))


def _refused(family: str, folder: Path, **settings: Any) -> str:
    with pytest.raises(UsageError) as caught:
        _built(family, folder, **settings)
    said = str(caught.value)
    assert said.startswith("model.") and "\n" not in said and len(said) < 700
    return said


@pytest.mark.parametrize(
    ("family", "file", "values", "message"),
    [
        # SDXL's refiner
        (XL, INDEX, {"text_encoder": [None, None]}, "names no text_encoder"),
        (XL, "unet/config.json", {"projection_class_embeddings_input_dim": 56}, "the refiner"),
        (XL, "unet/config.json", {"in_channels": 9}, "inpainting and depth"),
        (XL, "unet/config.json", {"in_channels": 8}, "takes 8 channels"),
        (XL, "unet/config.json", {"time_cond_proj_dim": 256}, "a latent consistency model"),
        (XL, "unet/config.json", {"encoder_hid_dim_type": "text_proj"}, "text_proj"),
        (XL, "unet/config.json", {"addition_embed_type": None}, "with None conditioning"),
        (XL, "unet/config.json", {"cross_attention_dim": 48}, "reads texts of width 48"),
        (XL, INDEX, {"controlnet": ["diffusers", "ControlNetModel"]}, "a controlnet"),
        (XL, SCHEDULER, {"_class_name": "EDMEulerScheduler"}, "EDMEulerScheduler"),
        (XL, SCHEDULER, {"_class_name": "EDMDPMSolverMultistepScheduler"}, "EDMDPMSolver"),
        (XL, SCHEDULER, {"_class_name": "FlowMatchEulerDiscreteScheduler"}, "FlowMatchEuler"),
        (XL, "vae/config.json", {"latents_mean": [0.0] * 4}, "has a latents_mean"),
        (XL, "text_encoder_2/config.json", {"architectures": ["ChatGLMModel"]}, "ChatGLMModel"),
        # flows
        (SD3, INDEX, {"_class_name": "StableDiffusion3InpaintPipeline"}, "3InpaintPipeline"),
        (SD3, NET, {"in_channels": 33}, "takes 33 channels"),
        (SD3, NET, {"pooled_projection_dim": 48}, "pooled_projection_dim 48"),
        (SD3, SCHEDULER, {"_class_name": "EulerDiscreteScheduler"}, "FlowMatchEulerDiscrete"),
        (SD3, SCHEDULER, {"_class_name": "FlowMatchHeunDiscreteScheduler"}, "FlowMatchHeun"),
        (SD3, SCHEDULER, {"invert_sigmas": True}, "inverted"),
        (SD3, SCHEDULER, {"time_shift_type": "none"}, "time_shift_type"),
        (SD3, NET, {"quantization_config": {}}, "quantised"),
        (FLUX, INDEX, {"_class_name": "FluxKontextPipeline"}, "FluxKontextPipeline"),
        (FLUX, NET, {"in_channels": 128}, "takes 128 channels"),
        (FLUX, NET, {"joint_attention_dim": 64}, "joint_attention_dim 64"),
        (FLUX, NET, {"_class_name": "Flux2Transformer2DModel"}, "Flux2Transformer2DModel"),
        (FLUX, "vae/config.json", {"_class_name": "AutoencoderTiny"}, "AutoencoderTiny"),
        (Z, INDEX, {"_class_name": "ZImageInpaintPipeline"}, "ZImageInpaintPipeline"),
        (Z, NET, {"cap_feat_dim": 32}, "cap_feat_dim 32"),
        (KLEIN, INDEX, {"_class_name": "Flux2Pipeline"}, "Flux2Pipeline"),
        (KLEIN, NET, {"joint_attention_dim": 96}, "joint_attention_dim 96"),
    ],
)
def test_variants_that_cannot_be_used_are_told(
    copied: Callable[[str], Path], family: str, file: str, values: dict[str, Any], message: str
) -> None:
    folder = copied(family)
    _change(folder / file, **values)
    said = _refused(family, folder)
    assert message in said
    with pytest.raises(UsageError):
        check(variants("models")[family](path=str(folder)))


@pytest.mark.parametrize("family", [XL, SD3, FLUX, Z, KLEIN])
def test_a_folder_of_another_family_is_told(
    folders: Callable[[str], Path], tiny_model: Path, family: str
) -> None:
    assert "is not " in _refused(family, tiny_model)
    assert "is not Stable Diffusion 1.x" in _refused("stable_diffusion", folders(family))


@pytest.mark.parametrize(
    ("family", "part"),
    [
        (XL, "text_encoder_2"), (SD3, "transformer"), (SD3, "text_encoder_3"),
        (FLUX, "text_encoder_2"), (Z, "text_encoder"), (Z, "transformer"), (KLEIN, "vae"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("fault", ["missing", "renamed", "nan"])
def test_weights_of_another_network_are_told(
    copied: Callable[[str], Path], family: str, part: str, fault: str
) -> None:
    folder = copied(family)
    file = next((folder / part).glob("*.safetensors"))
    tensors = load_file(file)
    name = next(n for n in sorted(tensors) if tensors[n].dim() > 1 and "embed_tokens" not in n)
    tensor = tensors.pop(name)
    if fault != "missing":
        tensors["x" if fault == "renamed" else name] = tensor * (
            1 if fault == "renamed" else torch.nan
        )
    save_file(tensors, file, {"format": "pt"})
    assert part in _refused(family, folder)


@pytest.mark.parametrize(
    ("family", "part"),
    [(XL, "tokenizer_2"), (SD3, "tokenizer_3"), (FLUX, "tokenizer_2"), (Z, "tokenizer")],
)
def test_a_tokenizer_without_a_vocabulary_is_told(
    copied: Callable[[str], Path], family: str, part: str
) -> None:
    folder = copied(family)
    for file in ("tokenizer.json", "vocab.json", "merges.txt", "spiece.model"):
        (folder / part / file).unlink(missing_ok=True)
    assert part in _refused(family, folder)


@pytest.mark.parametrize("name", _flow.SOLVERS)
def test_flow_levels_of_other_solvers_are_diffusers_own(
    copied: Callable[[str], Path], name: str
) -> None:
    folder, kind = copied(SD3), getattr(diffusers, name)
    theirs = kind(use_flow_sigmas=True, flow_shift=3.0, prediction_type="flow_prediction")
    theirs.save_pretrained(folder / "scheduler")
    model = _built(SD3, folder)
    for steps in (1, 4, 28, 61, 999):
        theirs.set_timesteps(steps)
        assert torch.equal(model.timesteps(steps, (64, 64)).flip(0), theirs.sigmas[:steps])
    for values in ({"prediction_type": "epsilon"}, {"use_flow_sigmas": False}):
        _change(folder / SCHEDULER, **values)
        assert "use_flow_sigmas" in _refused(SD3, folder)


def test_guidance_that_the_folder_is_not_told_is_told(folders: Callable[[str], Path]) -> None:
    assert _refused(FLUX, folders(FLUX), told=False).startswith("model.told: it is true by")


def test_sd3_without_t5_reads_zeros_in_its_place(copied: Callable[[str], Path]) -> None:
    folder = copied(SD3)
    _change(folder / INDEX, text_encoder_3=[None, None], tokenizer_3=[None, None])
    text = _built(SD3, folder).text(["a mug"])["text"]
    assert text.shape == (1, 24 + 256, 48) and not text[:, 24:].any()


@pytest.mark.parametrize("zeros", [True, False])
def test_the_empty_text_of_sdxl_is_zeros_where_the_folder_says_so(
    copied: Callable[[str], Path], zeros: bool
) -> None:
    folder = copied(XL)
    _change(folder / INDEX, force_zeros_for_empty_prompt=zeros)
    cond = _built(XL, folder).text(["", "a mug"])
    assert bool(cond["text"][0].any()) is bool(cond["pooled"][0].any()) is not zeros
    assert cond["text"][1].any()


def test_the_autoencoder_of_sdxl_is_in_float32_where_float16_overflows(
    copied: Callable[[str], Path],
) -> None:
    folder = copied(XL)
    model = _built(XL, folder, dtype="float16")
    assert (model.dtype, model._vae.dtype) == (torch.float16, torch.float32)
    assert _built(XL, folder, dtype="bfloat16")._vae.dtype == torch.bfloat16
    _change(folder / "vae/config.json", force_upcast=False)
    assert _built(XL, folder, dtype="float16")._vae.dtype == torch.float16


@pytest.mark.parametrize("family", [XL, SD3, FLUX, Z, KLEIN])
def test_every_number_of_steps_has_as_many_times(
    folders: Callable[[str], Path], family: str
) -> None:
    model = _built(family, folders(family))
    for steps in range(1, 1001):
        times = model.timesteps(steps, (64, 64))
        assert len(times) == steps and (times.diff() > 0).all() and times[0] >= 0
        assert (model.alpha(times) > 0).all() and (model.sigma(times).diff() >= 0).all()


@pytest.mark.parametrize("family", [XL, SD3, FLUX, Z, KLEIN])
def test_what_is_compiled_is_asked_as_an_edit_asks_it(
    folders: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, family: str
) -> None:
    """Guidance and all; the compiler itself is left out, for it takes minutes."""
    model = _built(family, folders(family), resolution=64)
    rows: list[int] = []
    monkeypatch.setattr(model, "_compile", lambda: None)
    model._network.register_forward_pre_hook(lambda *_: rows.append(1))
    model.compile()
    assert len(rows) == 2


def test_text_encoders_are_on_the_cpu_between_texts(folders: Callable[[str], Path]) -> None:
    plain, model = (_built(FLUX, folders(FLUX), offload_text=value) for value in (False, True))
    moves: list[tuple[str, str]] = []
    for name, network in model._networks.items():
        network.to = lambda where, name=name: moves.append((name, str(where)))
    assert torch.equal(model.text(["a", "b"])["text"], plain.text(["a", "b"])["text"])
    there = [("text_encoder", "cpu"), ("text_encoder_2", "cpu")]
    assert moves == there + there  # to the device, which is the CPU here, and back
    model.text(["a"])
    assert moves == there + there
