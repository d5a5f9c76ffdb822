"""Config errors are one line each, with the key's path, the value and what is allowed."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from pipeline.config_file import load, parse, schema
from pipeline.demo.words import words
from pipeline.errors import UsageError

GOOD = {
    "input": {"type": "webdataset", "path": "in"},
    "output": {"path": "out"},
    "prompts": {"type": "recolor"},
    "model": {"type": "stable_diffusion"},
}


def changed(path: str, value: object) -> dict:
    *sections, key = path.split(".")
    raw = {name: dict(section) for name, section in GOOD.items()}
    target = raw
    for section in sections:
        target = target.setdefault(section, {})
    target[key] = value
    return raw


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("mask.treshold", 0.4, ["mask.treshold", "unknown key", "threshold"]),
        ("mask.threshold", "high", ["mask.threshold", "number", "'high'"]),
        ("mask.threshold", 1.5, ["mask.threshold", "less than 1", "1.5"]),
        ("edit.paste_back", "glue", ["edit.paste_back", "feather", "'glue'"]),
        ("input.type", "csv", ["input", "webdataset", "parquet", "folder"]),
        ("input.pth", "x", ["input.pth", "unknown key", "path"]),
        ("prompts.colors", ["red"], ["prompts.colors", "unknown key", "colours"]),
        ("model.pathh", "x", ["model.pathh", "unknown key", "path"]),
        ("extra", {}, ["extra", "unknown key", "input"]),
        ("check.scores", ["beauty"], ["check", "beauty", "background_psnr"]),
        ("check.keep", {"mask_area": {}}, ["check.keep.mask_area", "min"]),
        ("run.actors", 0, ["run.actors", "at least 1"]),
        ("run.actors", [4, 2], ["run.actors", "min <= max"]),
        ("run.actors", "many", ["run.actors", "'many'"]),
        ("run.chunk_rows", 0, ["run.chunk_rows", "greater than or equal to 1", "0"]),
    ],
)
def test_an_error_names_path_value_and_what_is_allowed(path, value, said) -> None:
    with pytest.raises(UsageError) as error:
        parse(changed(path, value))
    lines = str(error.value).splitlines()
    assert len(lines) == 1, lines
    for part in said:
        assert part in lines[0]


def test_every_error_is_told_at_once() -> None:
    raw = changed("mask.threshold", 2)
    raw["edit"] = {"steps": 0}
    raw.pop("model")
    with pytest.raises(UsageError) as error:
        parse(raw)
    assert len(str(error.value).splitlines()) == 3


def test_overrides_are_yaml_and_win(tmp_path: Path) -> None:
    import yaml

    file = tmp_path / "run.yaml"
    file.write_text(yaml.safe_dump(GOOD))
    config = load(file, ["mask.threshold=0.3", "run.actors=[1, 4]", "output.path=s3://b/x"])
    assert (config.mask.threshold, config.run.actors) == (0.3, (1, 4))
    assert config.output.path == "s3://b/x"
    for wrong in ("mask.threshold", "=3", "mask..x=1", "input.path.deep=1"):
        with pytest.raises(UsageError, match="override"):
            load(file, [wrong])


@pytest.mark.parametrize("text", ["", "- a\n- b", "a: [", "\x00"])
def test_a_file_that_is_no_mapping_is_told(tmp_path: Path, text: str) -> None:
    file = tmp_path / "run.yaml"
    file.write_text(text)
    with pytest.raises(UsageError, match=r"run\.yaml"):
        load(file)


def test_a_missing_file_is_told() -> None:
    with pytest.raises(UsageError, match="nowhere"):
        load("nowhere.yaml")


def test_the_fingerprint_follows_results_alone() -> None:
    base = parse(GOOD)
    same = [("run.actors", 4), ("output.path", "elsewhere"), ("model.device", "cpu")]
    other = [("run.seed", 1), ("mask.threshold", 0.4), ("output.image_format", "webp")]
    assert all(parse(changed(k, v)).fingerprint() == base.fingerprint() for k, v in same)
    assert len({parse(changed(k, v)).fingerprint() for k, v in other} | {base.fingerprint()}) == 4


def test_the_schema_describes_every_variant() -> None:
    text = str(schema())
    for word in ("webdataset", "parquet", "folder", "swap", "template", "recolor", "threshold"):
        assert word in text


@pytest.mark.parametrize("file", sorted(Path("configs").glob("*.yaml")), ids=lambda f: f.name)
def test_every_config_of_the_repository_loads(file: Path) -> None:
    load(file)


def test_the_run_in_docs_counterfactuals_is_the_config_s_with_the_demo_s_words() -> None:
    page = Path("docs/counterfactuals.md").read_text().replace("\\\n", " ")
    (line,) = re.findall(r"^    diffedit run (configs/counterfactuals\.yaml .*)$", page, re.M)
    file, local, *overrides = shlex.split(line)
    told, own = load(file, overrides), load(file)
    assert local == "--local" and told.check == own.check and told.edit.steps == 8
    assert {**told.prompts.model_dump(), "tables": 0} == {**own.prompts.model_dump(), "tables": 0}
    tables = told.prompts.model_dump()["tables"]
    assert tables.keys() == own.prompts.model_dump()["tables"].keys()
    said = {word for words in tables.values() for phrase in words for word in phrase.split()}
    assert said <= set(words())


@pytest.mark.parametrize("formats", [[], ["csv"], ["parquet", "parquet"], "tar", 3])
def test_formats_that_make_no_output_are_refused(formats: object) -> None:
    with pytest.raises(UsageError, match=r"output\.formats"):
        parse(changed("output.formats", formats))


def test_the_order_of_formats_says_nothing() -> None:
    assert parse(changed("output.formats", "parquet")).output.formats == ("parquet",)
    orders = (["webdataset", "parquet"], ["parquet", "webdataset"])
    prints = {parse(changed("output.formats", formats)).fingerprint() for formats in orders}
    assert prints == {parse(GOOD).fingerprint()}
