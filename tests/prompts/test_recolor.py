"""`recolor`: a product's caption in other colours."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from pipeline.errors import RowError
from pipeline.prompts._lexicon import colour_kinds
from pipeline.prompts.recolor import Config, build

WORDS = sorted(word for word, kind in colour_kinds().items() if kind != "weak" and word != "gray")


def plan(caption: str | None, **config: Any) -> Any:
    return build(Config.model_validate(config)).plan(caption, {})


def one(caption: str, **config: Any) -> str:
    [edit] = plan(caption, **{"colours": ["orange"], **config})
    return str(edit.target_prompt)


def test_each_colour_but_its_own() -> None:
    edits = plan("a red mug", colours=["red", "blue", "navy blue", "Blue"])
    assert [edit.name for edit in edits] == ["blue", "navy-blue"]
    assert [edit.target_prompt for edit in edits] == ["a blue mug", "a navy blue mug"]
    assert {edit.source_prompt for edit in edits} == {"a red mug"}


@pytest.mark.parametrize(
    ("caption", "target"),
    [
        ("a photo of a red mug on a blue table", "a photo of an orange mug on a blue table"),
        ("Dark-blue MUG", "Orange MUG"),
        ("A LIGHT GREEN MUG", "AN ORANGE MUG"),
        ("an infra-red lamp in blue", "an infra-red lamp in orange"),
        ("two grey, cracked cups", "two orange, cracked cups"),
    ],
)
def test_the_products_colour_is_changed(caption: str, target: str) -> None:
    assert one(caption) == target


@pytest.mark.parametrize(
    ("caption", "target"),
    [
        ("a blue table with a red mug", "a blue table with an orange mug"),
        ("a red, glossy ceramic mug", "an orange, glossy ceramic mug"),
        ("a red table and a mug", "a red table and an orange mug"),
        ("a mug on a red table", "an orange mug on a red table"),
        ("Mug on wood", "Orange mug on wood"),
        ("MUG ON WOOD", "ORANGE MUG ON WOOD"),
        ("the T-shirt", "the Orange T-shirt"),
    ],
)
def test_with_a_noun_its_own_colour_is_changed_or_put_before_it(caption: str, target: str) -> None:
    assert one(caption, object=["mug", "t-shirt"]) == target


def test_one_mask_is_made_with_the_first_colour() -> None:
    edits = plan("a red mug", colours=["red", "blue", "green"], one_mask=True)
    assert [edit.mask_prompt for edit in edits] == ["a blue mug"] * 2
    assert plan("a red mug", colours=["blue"])[0].mask_prompt is None


def test_grey_is_gray() -> None:
    assert plan("a gray mug", colours=["grey"]) == []


@pytest.mark.parametrize(("config", "kind"), [({}, "no_colour"), ({"object": "mug"}, "no_object")])
def test_a_caption_that_cannot_be_recoloured(config: dict[str, Any], kind: str) -> None:
    with pytest.raises(RowError) as failed:
        plan("a shiny vase", **config)
    assert failed.value.kind == kind
    assert plan("a shiny vase", **config, on_missing="pass") == []
    with pytest.raises(RowError, match="no_caption"):
        plan("", **config, on_missing="pass")


@settings(deadline=None)  # the first article loads inflect
@given(st.sampled_from(WORDS), st.lists(st.sampled_from(WORDS), min_size=1))
def test_recoloring_the_result_back_gives_the_caption(has: str, colours: list[str]) -> None:
    caption = f"photo of the {has} mug"
    edits = plan(caption, colours=colours, object="mug")
    assert len({edit.name for edit in edits}) == len(edits)
    for edit in edits:
        [back] = plan(edit.target_prompt, colours=[has], object="mug")
        assert back.target_prompt == caption


@pytest.mark.parametrize(
    ("colours", "exact"),
    [
        (["red", {"name": "navy", "hex": "#1F2A44"}], {"red": None, "navy": "#1f2a44"}),
        ([{"name": "Coral", "lab": [67.3, 45.4, 47.5]}], {"coral": "#ff7f50"}),
        ([{"name": "navy", "hex": "#000080"}, "navy"], {"navy": "#000080"}),
        ({"name": "to", "hex": "code"}, {"navy": "#1f2a44", "sage green": None}),
        ({"name": "to"}, {"navy": None, "sage green": None}),
        ({"name": "one", "hex": "its"}, {"navy": "#1f2a44"}),
    ],
)
def test_exact_colours_of_the_config_and_of_columns(colours: Any, exact: dict[str, Any]) -> None:
    row = {"to": ["Navy", "sage green"], "code": ["1F2A44", None], "one": "navy", "its": "#1f2a44"}
    edits = build(Config.model_validate({"colours": colours})).plan("White Mug", row)
    assert {edit.target_prompt: edit.colour for edit in edits} == {
        f"{name.title()} Mug": code for name, code in exact.items()
    }


@pytest.mark.parametrize(
    ("colours", "line"),
    [
        ([], "give a list of colours"),
        ("red", "give a list of colours"),
        (["red", ""], "1: write a colour as a word"),
        ([3], "0: write a colour as a word"),
        ([{"name": "navy"}], "0: give either hex or lab"),
        ([{"name": "navy", "hexx": "#000080"}], "0: hexx: unknown key; allowed: name, hex, lab"),
        ([{"name": "navy", "hex": "navy"}], '0: hex: write it as "#1f2a44"'),
        ([{"name": "navy", "hex": "#000080", "lab": [0, 0, 0]}], "0: give either hex or lab"),
        ([{"name": "navy", "lab": [50, 120, -120]}], "0: sRGB has no colour"),
        ([{"name": "", "hex": "#000080"}], "0: name: "),
        ({"hex": "code"}, "name: Field required"),
        ({"nam": "code"}, "nam: unknown key; allowed: name, hex"),
    ],
)
def test_colours_that_are_none_are_refused_in_one_line(colours: Any, line: str) -> None:
    with pytest.raises(ValidationError) as failed:
        Config.model_validate({"colours": colours})
    [error] = failed.value.errors()
    assert line in error["msg"] and error["loc"] == ("colours",)


def test_the_colours_of_a_run_are_read_again_as_they_were_written() -> None:
    config = Config.model_validate({"colours": ["red", {"name": "navy", "hex": "#1f2a44"}]})
    assert Config.model_validate(config.model_dump(mode="json")) == config


@pytest.mark.parametrize(
    ("row", "kind"),
    [
        ({}, "no_column"),
        ({"n": "navy"}, "no_column"),
        ({"n": None, "h": None}, "bad_value"),
        ({"n": ["navy", "red"], "h": ["#000080"]}, "bad_value"),
        ({"n": "navy", "h": "#0008"}, "bad_value"),
        ({"n": "navy", "h": 128}, "bad_value"),
    ],
)
def test_columns_of_colours_that_cannot_be_read(row: dict[str, Any], kind: str) -> None:
    rule = build(Config.model_validate({"colours": {"name": "n", "hex": "h"}}))
    assert rule.columns() == ["n", "h"]
    with pytest.raises(RowError) as failed:
        rule.plan("White Mug", row)
    assert failed.value.kind == kind


def test_all_photos_of_a_product_share_their_colours() -> None:
    config = {
        "colours": ["navy", "Dark Blue", {"name": "sage", "hex": "#9caf88"}],
        "product": "sku",
    }
    rule = build(Config.model_validate(config))
    assert rule.columns() == ["sku"]
    edits = rule.plan("White Mug", {"sku": 17})
    assert [edit.colour for edit in edits] == ["#000080", "#00008b", "#9caf88"]
    for row, kind in (({}, "no_column"), ({"sku": ""}, "bad_value")):
        with pytest.raises(RowError) as failed:
            rule.plan("White Mug", row)
        assert failed.value.kind == kind
    words = build(Config.model_validate({"colours": ["sage green"], "product": "sku"}))
    with pytest.raises(RowError, match="CSS has no colour 'sage green'"):
        words.plan("White Mug", {"sku": 17})
