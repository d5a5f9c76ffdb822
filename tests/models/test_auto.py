"""`model.type: auto`: which family a folder is of, and which defaults that brings."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.config import RunConfig, variants
from pipeline.config_file import load, parse
from pipeline.errors import UsageError


def _parsed(path: Path | str, **sections: Any) -> RunConfig:
    raw = {
        "input": {"type": "folder", "path": "in"},
        "output": {"path": "out"},
        "prompts": {"type": "template", "source": "a cat", "targets": {"dog": "a dog"}},
        "model": {"path": str(path)},
    }
    return parse({**raw, **sections})


def _folder(tmp_path: Path, pipeline: str, **transformer: Any) -> Path:
    (tmp_path / "model_index.json").write_text(json.dumps({"_class_name": pipeline}))
    (tmp_path / "transformer").mkdir()
    (tmp_path / "transformer" / "config.json").write_text(json.dumps(transformer))
    return tmp_path


@pytest.mark.parametrize(
    ("pipeline", "family"),
    [
        ("StableDiffusionPipeline", "stable_diffusion"),
        ("StableDiffusionXLPipeline", "stable_diffusion_xl"),
        ("StableDiffusion3Pipeline", "stable_diffusion_3"),
        ("FluxPipeline", "flux"),
        ("ZImagePipeline", "z_image"),
        ("Flux2KleinPipeline", "flux2_klein"),
    ],
)
def test_a_folder_names_its_family(tmp_path: Path, pipeline: str, family: str) -> None:
    folder = _folder(tmp_path, pipeline)
    auto = _parsed(folder)
    assert auto.model.type == family
    assert auto == _parsed(folder, model={"type": "auto", "path": str(folder)})
    named = _parsed(folder, model={"type": family, "path": str(folder)})
    assert auto.fingerprint() == named.fingerprint()


@pytest.mark.parametrize(
    "pipeline",
    [
        "StableDiffusionXLInpaintPipeline", "StableDiffusionXLControlNetPipeline",
        "LatentConsistencyModelPipeline", "KolorsPipeline", "FluxFillPipeline",
        "FluxKontextPipeline", "FluxControlPipeline", "Flux2Pipeline", "WanPipeline",
    ],
)  # fmt: skip
def test_other_pipelines_are_told_in_one_line(tmp_path: Path, pipeline: str) -> None:
    with pytest.raises(UsageError) as caught:
        _parsed(_folder(tmp_path, pipeline))
    said = str(caught.value)
    assert f"is a folder of {pipeline}" in said and "there are flux," in said and "\n" not in said


def test_defaults_are_the_familys_where_the_config_says_nothing(tmp_path: Path) -> None:
    folder = _folder(tmp_path, "FluxPipeline", guidance_embeds=True)
    config = _parsed(folder, edit={"steps": 20})
    assert (config.edit.steps, config.edit.solver, config.edit.guidance_scale) == (20, "dpm", 3.5)
    assert (config.edit.guidance_stop, config.invert.encoding_ratio) == (1.0, 0.8)
    again = parse(config.model_dump(mode="json"))
    assert again == config


def test_defaults_of_stable_diffusion_are_as_ever() -> None:
    config = _parsed("demo")
    assert config.model.type == "stable_diffusion"
    assert (config.edit.steps, config.edit.solver, config.edit.guidance_scale) == (50, "ddim", 7.5)
    assert (config.mask.strength, config.invert.encoding_ratio) == (0.5, 0.8)


@pytest.mark.parametrize("told", [True, False])
def test_whether_guidance_is_told_is_the_folders(tmp_path: Path, told: bool) -> None:
    assert _parsed(_folder(tmp_path, "FluxPipeline", guidance_embeds=told)).model.told is told


@pytest.mark.parametrize("content", [None, "{", "[]", "{}"])
def test_a_folder_that_says_nothing_is_left_to_the_loader(
    tmp_path: Path, content: str | None
) -> None:
    if content is not None:
        (tmp_path / "model_index.json").write_text(content)
    assert _parsed(tmp_path).model.type == "stable_diffusion"


def test_every_family_says_of_which_pipelines_it_is() -> None:
    kinds = variants("models")
    assert len(kinds) == 6 and all(kind.pipelines for kind in kinds.values())
    named = [name for kind in kinds.values() for name in kind.pipelines]
    assert len(named) == len(set(named))


@pytest.mark.parametrize(
    ("file", "family"),
    [
        ("sdxl", "stable_diffusion_xl"),
        ("sd35", "stable_diffusion_3"),
        ("flux", "flux"),
        ("z-image", "z_image"),
        ("flux2-klein", "flux2_klein"),
    ],
)
def test_the_complete_config_of_a_family_says_its_defaults(file: str, family: str) -> None:
    config = load(Path(__file__).parents[2] / "configs" / f"{file}.yaml")
    assert config.model.type == family
    for section, values in type(config.model).defaults.items():
        said = getattr(config, section).model_dump()
        assert {key: said[key] for key in values} == values


def test_keys_that_are_not_used_leave_the_fingerprint_as_it_was() -> None:
    model = _parsed("demo").result_settings()["model"]
    assert set(model) == {"type", "path", "revision", "resolution", "dtype"}
