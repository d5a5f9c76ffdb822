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
    ("colours", "names"),
    [
        (["red", "Navy", "navy"], ["red", "navy"]),
        ({"name": "to"}, ["navy", "sage green"]),
        ({"name": "one"}, ["navy"]),
    ],
)
def test_colours_of_the_config_and_of_columns(colours: Any, names: list[str]) -> None:
    row = {"to": ["Navy", "sage green"], "one": "navy"}
    edits = build(Config.model_validate({"colours": colours})).plan("White Mug", row)
    assert [edit.target_prompt for edit in edits] == [f"{name.title()} Mug" for name in names]


@pytest.mark.parametrize(
    ("colours", "line"),
    [
        ([], "give a list of colours"),
        ("red", "give a list of colours"),
        (["red", ""], "1: write a colour as a word"),
        ([3], "0: write a colour as a word"),
        ([{"name": "navy", "hex": "#000080"}], "0: write a colour as a word"),
        ({"nam": "code"}, "expected {name: COLUMN}, not nam"),
        ({"name": 3}, "expected {name: COLUMN}"),
    ],
)
def test_colours_that_are_none_are_refused_in_one_line(colours: Any, line: str) -> None:
    with pytest.raises(ValidationError) as failed:
        Config.model_validate({"colours": colours})
    [error] = failed.value.errors()
    assert line in error["msg"] and error["loc"] == ("colours",)


@pytest.mark.parametrize("colours", [["red", "navy"], {"name": "to"}])
def test_the_colours_of_a_run_are_read_again_as_they_were_written(colours: Any) -> None:
    config = Config.model_validate({"colours": colours})
    assert Config.model_validate(config.model_dump(mode="json")) == config


@pytest.mark.parametrize(
    ("row", "kind"),
    [({}, "no_column"), ({"n": None}, "bad_value"), ({"n": [3]}, "bad_value")],
)
def test_columns_of_colours_that_cannot_be_read(row: dict[str, Any], kind: str) -> None:
    rule = build(Config.model_validate({"colours": {"name": "n"}}))
    assert rule.columns() == ["n"]
    with pytest.raises(RowError) as failed:
        rule.plan("White Mug", row)
    assert failed.value.kind == kind
