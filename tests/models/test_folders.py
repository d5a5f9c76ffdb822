"""Model folders that are refused, in one line with the true reason, and odd ones that are not."""

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

from pipeline.errors import UsageError
from pipeline.models.stable_diffusion import Config, build, check

UNET = "unet/diffusion_pytorch_model.safetensors"
VAE = "vae/diffusion_pytorch_model.safetensors"
TEXT = "text_encoder/model.safetensors"
SCHEDULER = "scheduler/scheduler_config.json"
TOKENIZER = "tokenizer/tokenizer_config.json"


@pytest.fixture
def copy(tiny_model: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_model, tmp_path / "model"))


def change(path: Path, **values: Any) -> None:
    """Sets keys of a JSON file; an ellipsis deletes one."""
    whole = json.loads(path.read_text()) | values
    path.write_text(json.dumps({key: value for key, value in whole.items() if value is not ...}))


def retensor(path: Path, edit: Callable[[dict[str, torch.Tensor]], Any]) -> None:
    tensors = load_file(path)
    edit(tensors)
    save_file(tensors, path, {"format": "pt"})


def refused(folder: Path | str, **settings: Any) -> str:
    """What `build` says, in one line."""
    with pytest.raises(UsageError) as caught:
        build(Config(path=str(folder), device="cpu", dtype="float32", **settings))
    said = str(caught.value)
    assert said.startswith("model.") and "\n" not in said and len(said) < 700
    return said


def noise(folder: Path, **settings: Any) -> torch.Tensor:
    """What the model of `folder` predicts for one latent and text."""
    model = build(Config(path=str(folder), device="cpu", dtype="float32", **settings))
    x0 = model.encode(torch.linspace(-1, 1, 64).expand(1, 3, 64, 64))
    return model.decode(x0 - model.eps(x0, torch.tensor([300]), model.text(["a red mug"])))


# --- where it is -------------------------------------------------------------------------------


def test_missing_folders_are_told(tmp_path: Path) -> None:
    assert "no such folder" in refused("/no/such/folder")
    assert "no such folder" in refused("./models/sd")
    assert "no such folder" in refused("models/of/mine")
    assert "cannot read" in refused("~nobody-here/model")
    assert "no such file" in refused(tmp_path / "sd15.safetensors")


def test_a_missing_folder_that_could_be_an_id_is_told_as_both(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    said = refused("models/sd15-not-there")
    assert "no such folder here" in said and "hub" in said and "without a network" in said


@pytest.mark.parametrize("name", ["sd15.safetensors", "sd15.ckpt"])
def test_a_single_file_is_told_and_how_to_make_a_folder_of_it(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"x")
    said = refused(tmp_path / name)
    assert "single-file checkpoint" in said and "diffedit import-model" in said


def test_a_revision_of_a_local_folder_is_told(copy: Path) -> None:
    assert "model.revision" in refused(copy, revision="fp16")


def test_a_folder_of_something_else_is_told(tmp_path: Path) -> None:
    assert "has no model_index.json" in refused(tmp_path)


# --- which family it is ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("file", "values", "message"),
    [
        ("model_index.json", {"text_encoder_2": ["transformers", "X"]}, "has a text_encoder_2 (X)"),
        ("model_index.json", {"controlnet": ["diffusers", "ControlNetModel"]}, "a controlnet"),
        ("model_index.json", {"unet": ["diffusers", "FluxTransformer2DModel"]}, "its unet is a Fl"),
        ("model_index.json", {"unet": ...}, "names no unet"),
        ("model_index.json", {"vae": [None, None]}, "names no vae"),
        ("model_index.json", {"tokenizer": ["transformers", "T5Tokenizer"]}, "is a T5Tokenizer"),
        ("unet/config.json", {"in_channels": 9}, "inpainting and depth models cannot be used"),
        ("unet/config.json", {"in_channels": 8}, "takes 8 channels"),
        ("unet/config.json", {"out_channels": 8}, "it learns a variance too"),
        ("unet/config.json", {"time_cond_proj_dim": 256}, "a latent consistency model"),
        ("unet/config.json", {"addition_embed_type": "text_time"}, "with text_time conditioning"),
        ("unet/config.json", {"class_embed_type": "projection"}, "with projection conditioning"),
        ("unet/config.json", {"num_class_embeds": 1000}, "num_class_embeds"),
        ("unet/config.json", {"encoder_hid_dim_type": "ip_image_proj"}, "ip_image_proj"),
        ("unet/config.json", {"attention_type": "gated"}, "gated attention"),
        ("unet/config.json", {"cross_attention_dim": 24}, "reads texts of width 24"),
        ("unet/config.json", {"_class_name": "SD3Transformer2DModel"}, "SD3Transformer2DModel"),
        ("unet/config.json", {"_class_name": ...}, "None"),
        ("unet/config.json", {"quantization_config": {}}, "quantised"),
        ("vae/config.json", {"_class_name": "AsymmetricAutoencoderKL"}, "AsymmetricAutoencoderKL"),
        ("vae/config.json", {"shift_factor": 0.1159}, "has a shift_factor"),
        ("vae/config.json", {"latents_mean": [0.0] * 4}, "has a latents_mean"),
        ("vae/config.json", {"scaling_factor": 0.0}, "scaling_factor is 0.0"),
        ("text_encoder/config.json", {"architectures": ["T5EncoderModel"]}, "T5EncoderModel"),
        ("text_encoder/config.json", {"hidden_act": ...}, "hidden_act is missing"),
    ],
)
def test_other_families_are_told(
    copy: Path, file: str, values: dict[str, Any], message: str
) -> None:
    change(copy / file, **values)
    assert message in refused(copy)


def test_a_tiny_autoencoder_is_told(copy: Path) -> None:
    shutil.rmtree(copy / "vae")
    diffusers.AutoencoderTiny().save_pretrained(copy / "vae")
    said = refused(copy)
    assert "its vae is a AutoencoderTiny, expected a AutoencoderKL" in said
    with pytest.raises(UsageError) as caught:
        check(Config(path=str(copy)))
    assert str(caught.value) == said


def test_parts_that_pictures_do_not_need_are_fine(copy: Path, tiny_model: Path) -> None:
    change(
        copy / "model_index.json",
        safety_checker=["stable_diffusion", "StableDiffusionSafetyChecker"],
        feature_extractor=["transformers", "CLIPImageProcessor"],
        tokenizer=["transformers", "CLIPTokenizerFast"],
        _name_or_path="somewhere",
    )
    assert torch.equal(noise(copy), noise(tiny_model))


# --- configs -----------------------------------------------------------------------------------


@pytest.mark.parametrize("file", ["model_index.json", "unet/config.json", SCHEDULER])
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"{", "cannot read"),
        (b"[1]", "not a JSON object"),
        (b"\xef\xbb\xbf{}", "BOM"),
        (b"\xff\xfe{\x00}\x00", "cannot read"),
        (b'{"a": 1, "a": 2}', "'a' is there twice"),
        (b'{"a": NaN}', "NaN is not a number"),
        (b"[" * 100_000, "cannot read"),
        (b" " * (2 << 20), "too many for such a file"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n", "git lfs pull"),
    ],
)
def test_odd_json_is_told(copy: Path, file: str, content: bytes, message: str) -> None:
    (copy / file).write_bytes(content)
    said = refused(copy)
    assert message in said and file in said


@pytest.mark.parametrize(
    ("file", "values"),
    [
        ("unet/config.json", {"norm_eps": None}),
        ("unet/config.json", {"norm_eps": "1e-5"}),
        ("unet/config.json", {"flip_sin_to_cos": None}),
        ("unet/config.json", {"center_input_sample": "no"}),
        ("unet/config.json", {"block_out_channels": []}),
        ("unet/config.json", {"block_out_channels": [8, -16]}),
        ("unet/config.json", {"layers_per_block": 1_000_000}),
        ("unet/config.json", {"act_fn": "siluu"}),
        ("unet/config.json", {"act_fn": ...}),
        ("unet/config.json", {"attention_head_dim": 0}),
        ("unet/config.json", {"down_block_types": ["CrossAttnDownBlock2D", "NoBlock"]}),
        ("vae/config.json", {"norm_num_groups": 3}),
        ("vae/config.json", {"scaling_factor": 1e30}),
        ("vae/config.json", {"scaling_factor": ...}),
        ("text_encoder/config.json", {"num_attention_heads": 3}),
        ("text_encoder/config.json", {"num_hidden_layers": 1 << 28}),
        ("text_encoder/config.json", {"hidden_act": "nothing"}),
    ],
)
def test_a_value_that_cannot_be_is_told(copy: Path, file: str, values: dict[str, Any]) -> None:
    change(copy / file, **values)
    assert str(copy / file.partition("/")[0]) in refused(copy)


@pytest.mark.parametrize("size", [[8, 8], 8])
def test_the_resolution_is_the_units_side(copy: Path, size: Any) -> None:
    change(copy / "unet/config.json", sample_size=size)
    assert build(Config(path=str(copy), device="cpu")).resolution == 64


@pytest.mark.parametrize("size", [None, [8, 16]])
def test_a_model_without_one_size_needs_a_resolution(copy: Path, size: Any) -> None:
    change(copy / "unet/config.json", sample_size=size)
    assert "set model.resolution" in refused(copy)
    assert build(Config(path=str(copy), device="cpu", resolution=64)).resolution == 64


def test_a_config_of_the_first_versions_means_64_cells(copy: Path) -> None:
    change(copy / "unet/config.json", _diffusers_version="0.6.0", sample_size=32)
    assert build(Config(path=str(copy), device="cpu")).resolution == 512


# --- weights -----------------------------------------------------------------------------------


def test_pickled_weights_are_refused(copy: Path) -> None:
    weights = copy / UNET
    weights.rename(weights.with_suffix(".bin"))
    assert "only .bin weights" in refused(copy)
    weights.with_suffix(".bin").unlink()
    assert "has no safetensors weights" in refused(copy)


@pytest.mark.parametrize("file", [UNET, VAE, TEXT])
@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: path.write_bytes(b""), "is empty"),
        (lambda path: path.write_bytes(path.read_bytes()[:1000]), "damaged or cut off"),
        (lambda path: path.write_bytes(path.read_bytes()[:-1]), "damaged or cut off"),
        (lambda path: path.write_bytes(b"version https://git-lfs.github"), "git lfs pull"),
        (lambda path: path.write_bytes(b"<html>not found</html>"), "damaged or cut off"),
        (lambda path: path.rename(path.with_name("my_model.safetensors")), "but my_model"),
        (lambda path: (path.unlink(), path.symlink_to("gone")), "there is no"),
        (lambda path: shutil.rmtree(path.parent), "there is no"),
    ],
    ids=["empty", "cut", "short", "pointer", "html", "renamed", "link", "folder"],
)
def test_damaged_files_of_weights_are_told(
    copy: Path, file: str, damage: Callable[[Path], Any], message: str
) -> None:
    damage(copy / file)
    said = refused(copy)
    assert message in said and file.partition("/")[0] in said


def _first_matrix(tensors: dict[str, torch.Tensor]) -> str:
    return next(name for name in sorted(tensors) if tensors[name].dim() > 1)


def _spoilt(name: str, value: float) -> Callable[[dict[str, torch.Tensor]], None]:
    def edit(tensors: dict[str, torch.Tensor]) -> None:
        tensors[_first_matrix(tensors)].flatten()[0 if name == "one" else slice(None)] = value

    return edit


@pytest.mark.parametrize("file", [UNET, VAE, TEXT])
@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda tensors: tensors.pop(_first_matrix(tensors)), "of another network"),
        (
            lambda tensors: tensors.update({"x": tensors.pop(_first_matrix(tensors))}),
            "of its weights are",
        ),
        (lambda tensors: tensors.update(more=torch.ones(3)), "of another network"),
        (
            lambda tensors: tensors.update(
                {(name := _first_matrix(tensors)): tensors[name].flatten().clone()}
            ),
            "text_encoder|unet|vae",
        ),
        (lambda tensors: [tensors.pop(name) for name in list(tensors)[:5]], "of another network"),
        (_spoilt("one", float("nan")), "not finite"),
        (_spoilt("one", float("inf")), "not finite"),
        (_spoilt("all", 0.0), "all zeros"),
        (
            lambda tensors: tensors.update(
                {(name := _first_matrix(tensors)): tensors[name].to(torch.int8)}
            ),
            "quantised",
        ),
    ],
    ids=["missing", "renamed", "more", "reshaped", "five", "nan", "inf", "zeros", "int8"],
)
def test_weights_of_another_network_are_told(
    copy: Path, file: str, edit: Callable[[dict[str, torch.Tensor]], Any], message: str
) -> None:
    retensor(copy / file, edit)
    said = refused(copy)
    assert any(one in said for one in message.split("|"))
    assert file.partition("/")[0] in said


def test_a_transposed_matrix_is_told(copy: Path) -> None:
    def transpose(tensors: dict[str, torch.Tensor]) -> None:
        name = "time_embedding.linear_1.weight"
        tensors[name] = tensors[name].T.contiguous()

    retensor(copy / UNET, transpose)
    assert "unet" in refused(copy)


def test_every_weight_renamed_is_told(copy: Path) -> None:
    for file in (UNET, VAE, TEXT):
        kept = (copy / file).read_bytes()
        retensor(copy / file, lambda t: t.update({f"model.{n}": t.pop(n) for n in list(t)}))
        assert file.partition("/")[0] in refused(copy)
        (copy / file).write_bytes(kept)


def test_positions_among_the_weights_are_fine(copy: Path, tiny_model: Path) -> None:
    positions = {"embeddings.position_ids": torch.arange(24)[None]}
    retensor(copy / TEXT, lambda tensors: tensors.update(positions))
    assert torch.equal(noise(copy), noise(tiny_model))


def test_names_of_older_versions_are_fine(copy: Path, tiny_model: Path) -> None:
    retensor(copy / TEXT, lambda t: t.update({f"text_model.{n}": t.pop(n) for n in list(t)}))
    assert torch.equal(noise(copy), noise(tiny_model))


def test_an_autoencoders_names_of_older_versions_are_fine(copy: Path) -> None:
    torch.manual_seed(0)
    config = json.loads((copy / "vae/config.json").read_text()) | {"mid_block_add_attention": True}
    diffusers.AutoencoderKL.from_config(config).save_pretrained(copy / "vae")
    expected = noise(copy)
    old = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}

    def rename(tensors: dict[str, torch.Tensor]) -> None:
        for name in list(tensors):
            for new, before in old.items():
                if f".{new}." in name:
                    tensors[name.replace(new, before)] = tensors.pop(name)

    retensor(copy / VAE, rename)
    assert any(".query." in name for name in load_file(copy / VAE))
    assert torch.equal(noise(copy), expected)


def test_weights_that_overflow_the_type_are_told(copy: Path) -> None:
    retensor(copy / UNET, _spoilt("one", 1e6))
    with pytest.raises(UsageError, match=r"model\.dtype: torch\.float16 cannot hold"):
        build(Config(path=str(copy), device="cpu", dtype="float16"))


def _variant(folder: Path, part: str, name: str) -> None:
    for file in list((folder / part).glob("*.safetensors")):
        file.rename(file.with_name(f"{file.name.partition('.')[0]}.{name}.safetensors"))


@pytest.mark.parametrize("variants", [("fp16",) * 3, ("fp16", "bf16", None), (None, "ema", None)])
def test_a_variant_is_found_part_by_part(
    copy: Path, tiny_model: Path, variants: tuple[str | None, ...]
) -> None:
    for part, name in zip(("unet", "vae", "text_encoder"), variants, strict=True):
        if name:
            _variant(copy, part, name)
    assert torch.equal(noise(copy), noise(tiny_model))


def test_full_weights_are_taken_before_a_variant(copy: Path, tiny_model: Path) -> None:
    shutil.copy(copy / VAE, copy / UNET.replace("model.s", "model.fp16.s"))
    assert torch.equal(noise(copy), noise(tiny_model))


def test_two_odd_variants_are_told(copy: Path) -> None:
    for name in ("a", "b"):
        shutil.copy(copy / UNET, copy / UNET.replace("model.s", f"model.{name}.s"))
    (copy / UNET).unlink()
    assert "several variants" in refused(copy)


@pytest.mark.parametrize("variant", [None, "fp16"])
def test_shards_are_found(copy: Path, tiny_model: Path, variant: str | None) -> None:
    _shard(copy, variant)
    assert len(list((copy / "unet").glob("*-of-*.safetensors"))) > 1
    assert len(list((copy / "text_encoder").glob("*-of-*.safetensors"))) > 1
    assert torch.equal(noise(copy), noise(tiny_model))


def _shard(folder: Path, variant: str | None = None) -> None:
    from transformers import CLIPTextModel

    unet = diffusers.UNet2DConditionModel.from_pretrained(folder, subfolder="unet")
    text = CLIPTextModel.from_pretrained(folder, subfolder="text_encoder")
    for file in (UNET, TEXT):
        (folder / file).unlink()
    unet.save_pretrained(folder / "unet", max_shard_size="100KB", variant=variant)
    text.save_pretrained(folder / "text_encoder", max_shard_size="15KB", variant=variant)


def test_shards_that_lack_one_are_told(copy: Path) -> None:
    _shard(copy)
    next((copy / "unet").glob("*00002-of-*.safetensors")).unlink()
    assert "there is no" in refused(copy)
    next((copy / "unet").glob("*.index.json")).unlink()
    assert "without their" in refused(copy)


def test_an_index_that_points_elsewhere_is_told(copy: Path) -> None:
    _shard(copy)
    index = next((copy / "unet").glob("*.index.json"))
    places = json.loads(index.read_text())["weight_map"]
    change(index, weight_map=places | {next(iter(places)): "../../other.safetensors"})
    assert "which shard holds what" in refused(copy)
    change(index, weight_map={name: min(places.values()) for name in places})
    assert "does not hold what" in refused(copy)


def test_shards_beside_a_whole_file_are_told(copy: Path) -> None:
    content = (copy / UNET).read_bytes()
    _shard(copy)
    (copy / UNET).write_bytes(content)
    assert "delete one" in refused(copy)


# --- tokenizer ---------------------------------------------------------------------------------


def _vocabulary(folder: Path) -> None:
    """Leaves vocab.json and merges.txt alone."""
    (folder / "tokenizer/tokenizer.json").unlink()


def test_a_vocabulary_of_either_kind_will_do(copy: Path, tiny_model: Path) -> None:
    _vocabulary(copy)
    assert torch.equal(noise(copy), noise(tiny_model))
    shutil.copy(tiny_model / "tokenizer/tokenizer.json", copy / "tokenizer")
    for name in ("vocab.json", "merges.txt"):
        (copy / "tokenizer" / name).unlink()
    assert torch.equal(noise(copy), noise(tiny_model))


@pytest.mark.parametrize("gone", ["vocab.json", "merges.txt", "vocab.json merges.txt", ""])
def test_a_missing_vocabulary_is_told(copy: Path, gone: str) -> None:
    _vocabulary(copy)
    for name in gone.split():
        (copy / "tokenizer" / name).unlink()
    if gone:
        assert "has no vocabulary" in refused(copy)
    else:
        shutil.rmtree(copy / "tokenizer")
        assert "has no vocabulary" in refused(copy)


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda v: v.pop("m</w>"), "81 tokens, but the text encoder 82"),
        (lambda v: v.update(more=82), "83 tokens"),
        (lambda v: v.update({"m</w>": 90}), "not numbered 0 to 81"),
        (lambda v: v.update({"m</w>": v["n</w>"]}), ""),
        (lambda v: v.update({f"word{v.pop(c)}": i for i, c in enumerate(list(v)[40:66])}), ""),
        (lambda v: v.update({"µ</w>": v.pop("m</w>")}), "each of the letters a to z"),
        (lambda v: v.update({"mug</w>": v.pop("'</w>")}), "no merge leads to"),
    ],
    ids=["fewer", "more", "gap", "twice", "words", "no m", "no merge"],
)
def test_another_vocabulary_is_told(copy: Path, edit: Callable[[Any], Any], message: str) -> None:
    _vocabulary(copy)
    path = copy / "tokenizer/vocab.json"
    words = json.loads(path.read_text())
    edit(words)
    path.write_text(json.dumps(words))
    said = refused(copy)
    assert message in said and "tokenizer" in said


def test_two_vocabularies_that_differ_are_told(copy: Path) -> None:
    path = copy / "tokenizer/vocab.json"
    words = json.loads(path.read_text())
    words["a"], words["b"] = words["b"], words["a"]
    path.write_text(json.dumps(words))
    assert "do not agree" in refused(copy)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"tokenizer_class": "T5Tokenizer"}, "is a T5Tokenizer, expected a CLIPTokenizer"),
        ({"model_max_length": "24"}, "model_max_length is '24'"),
        ({"model_max_length": 0}, "model_max_length is 0"),
        ({"model_max_length": True}, "model_max_length is True"),
        ({"bos_token": "a"}, "a text is put between 'a'"),
        ({"eos_token": "b"}, "a text is put between"),
        ({"pad_token": "<pad>"}, "83 tokens, but the text encoder 82"),
        ({"padding_side": "left"}, "pad it on the right"),
        ({"truncation_side": "left"}, "cut a long text off at its end"),
    ],
)
def test_a_tokenizer_that_does_something_else_is_told(
    copy: Path, values: dict[str, Any], message: str
) -> None:
    change(copy / TOKENIZER, **values)
    assert message in refused(copy)


@pytest.mark.parametrize("length", [..., 10**30, 77])
def test_a_text_is_no_longer_than_the_encoder_reads(copy: Path, length: Any) -> None:
    change(copy / TOKENIZER, model_max_length=length)
    model = build(Config(path=str(copy), device="cpu", dtype="float32"))
    assert model.text(["mug " * 500])["text"].shape == (1, 24, 16)


def test_the_padding_of_stable_diffusion_2_is_read(copy: Path) -> None:
    """Its special_tokens_map.json pads with a token of its own, and stands above the config."""
    (copy / "tokenizer/special_tokens_map.json").write_text('{"pad_token": "-"}')
    model = build(Config(path=str(copy), device="cpu", dtype="float32"))
    assert model._tokens["tokenizer"](["b"])[0].tolist() == [80, 41, 81, *[38] * 21]


# --- scheduler ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"_class_name": "FlowMatchEulerDiscreteScheduler"}, "is not one whose noise levels"),
        ({"_class_name": "EDMEulerScheduler"}, "a EDMEulerScheduler is not one"),
        ({"_class_name": "EDMDPMSolverMultistepScheduler"}, "is not one whose noise levels"),
        ({"_class_name": "ScoreSdeVeScheduler"}, "is not one whose noise levels"),
        ({"_class_name": ...}, "a None is not one"),
        ({"_class_name": ["DDIMScheduler"]}, "is not one whose noise levels"),
        ({"beta_schedule": "sigmoid"}, "beta_schedule"),
        ({"beta_schedule": "scaled-linear"}, "found 'scaled-linear'"),
        ({"beta_start": "0.00085"}, "beta_start"),
        ({"beta_start": ...}, "beta_start is missing"),
        ({"beta_end": None}, "beta_end is missing"),
        ({"beta_end": 1.5}, "beta_end"),
        ({"beta_start": 0.02}, "beta_start is more than beta_end"),
        ({"beta_end": 0.0012}, "leave 0.60 of the picture at the noisiest level"),
        ({"trained_betas": [0.01] * 999}, "trained_betas: 999 for num_train_timesteps 1000"),
        ({"trained_betas": [0.01] * 999 + [1.0]}, "between 0 and 1"),
        ({"trained_betas": [0.01] * 999 + ["x"]}, "trained_betas.999"),
        ({"timestep_spacing": "log"}, "timestep_spacing"),
        ({"prediction_type": "sample"}, "prediction_type"),
        ({"prediction_type": "flow_prediction"}, "prediction_type"),
        ({"prediction_type": None}, "prediction_type"),
        ({"use_flow_sigmas": True}, "use_flow_sigmas"),
        ({"steps_offset": -1}, "steps_offset"),
        ({"steps_offset": 1000}, "steps_offset"),
        ({"steps_offset": "1"}, "steps_offset"),
        ({"rescale_betas_zero_snr": "yes"}, "rescale_betas_zero_snr"),
        ({"num_train_timesteps": 0}, "num_train_timesteps"),
        ({"num_train_timesteps": True}, "num_train_timesteps"),
        ({"num_train_timesteps": ...}, "num_train_timesteps is missing"),
        ({"num_train_timesteps": 10**9}, "num_train_timesteps"),
    ],
)
def test_another_schedule_is_told(copy: Path, values: dict[str, Any], message: str) -> None:
    change(copy / SCHEDULER, **values)
    said = refused(copy)
    assert message in said and SCHEDULER in said


def test_a_scheduler_of_nothing_is_told(copy: Path) -> None:
    (copy / SCHEDULER).write_text("{}")
    assert "is not one whose noise levels" in refused(copy)
    (copy / SCHEDULER).write_text('{"_class_name": "LCMScheduler"}')
    assert "num_train_timesteps is missing" in refused(copy)
    (copy / SCHEDULER).unlink()
    assert "there is no" in refused(copy)
