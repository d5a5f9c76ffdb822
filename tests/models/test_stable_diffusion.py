"""Loading folders: what is used, what is refused and in which words."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from pydantic import ValidationError

from pipeline.errors import UsageError
from pipeline.models import _load, _model
from pipeline.models.stable_diffusion import Config, build


def _copy(folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(folder, tmp_path / "model"))


def _change(path: Path, **values: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


def test_reading_a_config_loads_no_heavy_library() -> None:
    code = "import sys, pipeline.cli, pipeline.config; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {"torch", "diffusers", "transformers", "ray", "scipy", "skimage", "pandas"}
    heavy |= {"huggingface_hub", "s3fs", "adlfs", "gcsfs"}
    assert "pipeline.models.stable_diffusion" in done.stdout.split()
    assert heavy.isdisjoint(done.stdout.split())


def test_what_a_model_says_of_itself(tiny_model: Path) -> None:
    model = build(Config(path=str(tiny_model), device="cpu", micro_batch=5))
    assert (model.channels, model.factor, model.latent_multiple, model.resolution) == (4, 8, 16, 64)
    assert (model.name, model.rows.size) == (str(tiny_model), 5)
    assert build(Config(path=str(tiny_model), device="cpu", resolution=128)).resolution == 128


@pytest.mark.parametrize(
    "file",
    [
        "unet/diffusion_pytorch_model.safetensors",
        "unet/config.json",
        "vae/config.json",
        "text_encoder/model.safetensors",
        "tokenizer/tokenizer_config.json",
        "scheduler/scheduler_config.json",
    ],
)
def test_the_digest_is_of_all_that_decides_pictures(
    tiny_model: Path, tmp_path: Path, file: str
) -> None:
    copy = _copy(tiny_model, tmp_path)
    (copy / "README.md").write_text("tiny")
    same = build(Config(path=str(copy), device="cpu")).weights
    assert len(same) == 32
    assert same == build(Config(path=str(tiny_model), device="cpu")).weights
    if file.endswith(".json"):
        (copy / file).write_text((copy / file).read_text() + " ")
    else:
        content = bytearray((copy / file).read_bytes())
        content[-4] ^= 1  # the last bit of a mantissa
        (copy / file).write_bytes(content)
    assert build(Config(path=str(copy), device="cpu")).weights != same


def test_a_file_of_the_hubs_cache_is_what_the_hub_gave(tiny_model: Path, tmp_path: Path) -> None:
    copy = _copy(tiny_model, tmp_path)
    weights = copy / "unet" / "diffusion_pytorch_model.safetensors"
    content = bytearray(weights.read_bytes())
    blob = tmp_path / hashlib.sha256(content).hexdigest()
    weights.rename(blob)
    weights.symlink_to(blob)
    assert build(Config(path=str(copy), device="cpu")).weights
    content[-4] ^= 1
    blob.write_bytes(content)
    assert "is not what the hub gave" in _refused(copy)


def test_latents_are_the_scaled_mode_of_the_posterior(tiny_model: Path) -> None:
    model = build(Config(path=str(tiny_model), device="cpu", dtype="float32"))
    picture = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 2 - 1
    latent = model.encode(picture)
    expected = model._vae.encode(picture).latent_dist.mean * 16.0
    assert torch.equal(latent, expected)
    assert model.decode(latent).shape == picture.shape
    torch.testing.assert_close(
        model.decode(latent), model._vae.decode(latent / 16.0).sample.clamp(-1, 1)
    )


def test_texts_are_encoded_once_and_the_oldest_is_dropped(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = build(Config(path=str(tiny_model), device="cpu", dtype="float32"))
    monkeypatch.setattr(_model, "TEXT_BYTES", 2 * 24 * 16 * 4)
    encoded: list[str] = []
    encode = model._encoded

    def counted(prompts: list[str]) -> dict[str, torch.Tensor]:
        encoded.extend(prompts)
        return encode(prompts)

    monkeypatch.setattr(model, "_encoded", counted)
    first = model.text(["", "a mug", "", "a mug"])["text"]
    assert torch.equal(first[0], first[2]) and not torch.equal(first[0], first[1])
    model.text([""])
    model.text(["a lamp"])  # drops "a mug", which was used longest ago
    model.text(["", "a lamp"])
    assert encoded == ["", "a mug", "a lamp"]
    torch.testing.assert_close(model.text(["a mug"])["text"][0], first[1])


def test_a_long_caption_is_cut_off(tiny_model: Path) -> None:
    model = build(Config(path=str(tiny_model), device="cpu", dtype="float32"))
    assert model.text(["mug " * 500])["text"].shape == (1, 24, 16)


def test_half_precision_networks_still_return_float32(tiny_model: Path) -> None:
    model = build(Config(path=str(tiny_model), device="cpu", dtype="bfloat16"))
    assert model.dtype == torch.bfloat16
    x = model.encode(torch.zeros(1, 3, 64, 64))
    eps = model.eps(x, torch.tensor([500]), model.text(["a mug"]))
    assert x.dtype == eps.dtype == model.decode(x).dtype == torch.float32


def test_a_schedule_with_zero_terminal_snr_stays_finite(tiny_v_model: Path, tmp_path: Path) -> None:
    copy = _copy(tiny_v_model, tmp_path)
    _change(
        copy / "scheduler" / "scheduler_config.json",
        rescale_betas_zero_snr=True,
        timestep_spacing="trailing",
    )
    model = build(Config(path=str(copy), device="cpu"))
    last = model.timesteps(10, (8, 8))[-1:]
    assert last.item() == 999
    assert 0 < model.alpha(last).item() < 0.01


def test_more_steps_than_times_is_told(tiny_model: Path) -> None:
    model = build(Config(path=str(tiny_model), device="cpu", dtype="float32"))
    with pytest.raises(UsageError, match=r"edit\.steps: 1001 is more than the model's 1000 times"):
        model.timesteps(1001, (8, 8))


def test_only_fp16_weights_are_used_where_there_are_no_others(
    tiny_model: Path, tmp_path: Path
) -> None:
    copy = _copy(tiny_model, tmp_path)
    for file in list(copy.glob("*/*.safetensors")):
        file.rename(file.with_name(file.name.replace(".safetensors", ".fp16.safetensors")))
    model = build(Config(path=str(copy), device="cpu", dtype="float32"))
    assert model.encode(torch.zeros(1, 3, 64, 64)).shape == (1, 4, 8, 8)


def _refused(folder: Path | str) -> str:
    with pytest.raises(UsageError) as caught:
        build(Config(path=str(folder), device="cpu"))
    message = str(caught.value)
    assert message.startswith("model.path: ") and "\n" not in message
    return message


def test_a_missing_gpu_is_told(tiny_model: Path) -> None:
    if torch.cuda.device_count() > 7:
        pytest.skip("this machine has eight GPUs")
    with pytest.raises(UsageError, match=r"model\.device: cuda:7"):
        build(Config(path=str(tiny_model), device="cuda:7"))


def test_devices_are_spelt_as_torch_spells_them() -> None:
    with pytest.raises(ValidationError):
        Config(device="gpu")


@pytest.mark.parametrize("instructions", ["avx512_bf16", "amx_tile", None])
def test_a_cpu_computes_in_bfloat16_only_where_it_has_the_instructions(
    instructions: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("avx512_bf16", "amx_tile"):
        there = name == instructions
        monkeypatch.setattr(torch.cpu, f"_is_{name}_supported", lambda there=there: there)
    cpu = torch.device("cpu")
    expected = torch.bfloat16 if instructions else torch.float32
    assert _load.choose_dtype("auto", cpu) == expected
    assert _load.choose_dtype("float32", cpu) == torch.float32


@torch.inference_mode()
def test_one_compiled_network_serves_every_number_of_rows(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    graphs = []

    def backend(graph: Any, _: Any) -> Any:  # inductor takes a minute
        graphs.append(graph)
        return graph.forward

    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend=backend))
    settings = {"path": str(tiny_model), "device": "cpu", "dtype": "float32", "micro_batch": 3}
    plain, model = build(Config(**settings)), build(Config(**settings, compile=True))
    assert len(graphs) == 1, "compiled when loaded"
    for rows in (3, 2, 7, 1):
        x, t = torch.randn(rows, 4, 8, 8), torch.full((rows,), 400)
        cond = plain.text(["a mug"] * rows)
        torch.testing.assert_close(model.eps(x, t, cond), plain.eps(x, t, cond))
    assert len(graphs) == 1


def test_a_machine_that_cannot_compile_is_told(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def backend(graph: Any, _: Any) -> Any:
        raise RuntimeError("no compiler\nand a trace")

    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend=backend))
    with pytest.raises(UsageError, match=r"^model\.compile: .*no compiler; set it to false"):
        build(Config(path=str(tiny_model), device="cpu", dtype="float32", compile=True))
