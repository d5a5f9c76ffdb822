"""`column` and `template`: prompts that come from a row's columns."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from pipeline.errors import RowError
from pipeline.prompts import column, template
from pipeline.prompts._rule import PlannedEdit


def by_column(caption: str | None, row: dict[str, Any], **config: Any) -> list[PlannedEdit]:
    return column.build(column.Config.model_validate(config)).plan(caption, row)


def by_template(caption: str | None, row: dict[str, Any], **config: Any) -> list[PlannedEdit]:
    return template.build(template.Config.model_validate(config)).plan(caption, row)


def test_column_takes_prompts_and_settings_of_the_row() -> None:
    row = {"old": "", "new": "a dog", "s": 0.4, "r": "0.6", "g": None, "id": 1}
    config = {"source": "old", "target": "new", "mask_strength": "s", "encoding_ratio": "r"}
    assert by_column(None, row, **config, guidance_scale="g") == [
        PlannedEdit("a-dog", "", "a dog", mask_strength=0.4, encoding_ratio=0.6)
    ]
    rule = column.build(column.Config.model_validate(config))
    assert sorted(rule.columns()) == ["new", "old", "r", "s"]


def test_column_takes_exact_colours_of_the_row_for_colours_alone() -> None:
    row = {"new": ["a red cup", "a cup of clay"], "hex": ["#C0102a", None]}
    first, second = by_column("a cup", row, target="new", colour="hex")
    assert (first.colour, second.colour) == ("#c0102a", None)
    assert first.mask_prompt is second.mask_prompt is None
    assert first.guidance_scale is None


@given(st.lists(st.text(min_size=1).filter(str.strip), min_size=1, max_size=6))
def test_column_plans_each_target_of_a_list(targets: list[str]) -> None:
    edits = by_column("a cat", {"new": targets}, target="new")
    assert [edit.target_prompt for edit in edits] == targets
    assert len({edit.name for edit in edits}) == len(targets)
    assert edits == by_column("a cat", {"new": targets}, target="new")


@pytest.mark.parametrize(
    ("caption", "row", "kind"),
    [
        (None, {"new": "x"}, "no_caption"),
        ("a", {}, "no_column"),
        ("a", {"new": None}, "no_target"),
        ("a", {"new": []}, "no_target"),
        ("a", {"new": ["x", " "]}, "no_target"),
        ("a", {"new": 3}, "bad_value"),
        ("a", {"new": "x" * 2001}, "caption_too_long"),
        ("a" * 2001, {"new": "x"}, "caption_too_long"),
        ("a", {"new": "x", "s": 0}, "bad_value"),
        ("a", {"new": "x", "s": 1.5}, "bad_value"),
        ("a", {"new": "x", "s": "high"}, "bad_value"),
        ("a", {"new": "x", "s": True}, "bad_value"),
        ("a", {"new": "x", "s": float("nan")}, "bad_value"),
        ("a", {"new": "x", "g": -1}, "bad_value"),
        ("a", {"new": "x", "g": float("inf")}, "bad_value"),
    ],
)
def test_column_says_what_a_row_lacks(caption: str | None, row: dict[str, Any], kind: str) -> None:
    whole = {"s": 0.5, "g": 1.0, **row}
    with pytest.raises(RowError) as failed:
        by_column(caption, whole, target="new", mask_strength="s", guidance_scale="g")
    assert failed.value.kind == kind


def test_template_fills_in_columns_with_their_article() -> None:
    edits = by_template(
        "a cup",
        {"object": "apple", "size.cm": 9},
        source="a photo of a {object}, {{{size.cm}}}",
        targets={"orange": "an {object} in orange", "more": "{caption} and a {object}"},
    )
    assert [(edit.name, edit.source_prompt, edit.target_prompt) for edit in edits] == [
        ("orange", "a photo of an apple, {9}", "an apple in orange"),
        ("more", "a photo of an apple, {9}", "a cup and an apple"),
    ]


@pytest.mark.parametrize(
    ("template", "value", "prompt"),
    [
        ("a photo of a {o}", "mug", "a photo of a mug"),
        ("a photo of a {o}", "apple", "a photo of an apple"),
        ("a photo of an {o}", "mug", "a photo of a mug"),
        ("a {o} in the rain", "umbrella", "an umbrella in the rain"),
        ("A {o} on a table", "orange vase", "An orange vase on a table"),
        ("An {o} on a table", "red vase", "A red vase on a table"),
        ("AN {o} ON A TABLE", "RED VASE", "A RED VASE ON A TABLE"),
        ("an {o}", "hour", "an hour"),
        ("a {o}", "hour", "an hour"),
        ("a {o}", "honest face", "an honest face"),
        ("an {o}", "house", "a house"),
        ("an {o}", "unicorn", "a unicorn"),
        ("an {o}", "uniform", "a uniform"),
        ("a {o}", "unusual mug", "an unusual mug"),
        ("an {o}", "European plug", "a European plug"),
        ("an {o}", "one-piece swimsuit", "a one-piece swimsuit"),
        ("a {o}", "MP3 player", "an MP3 player"),
        ("a {o}", "X-ray", "an X-ray"),
        ("an {o}", "T-shirt", "a T-shirt"),
        ("a {o}", "8-piece set", "an 8-piece set"),
        ("a {o}", "11 inch tablet", "an 11 inch tablet"),
        ("an {o}", "110 cm bed", "a 110 cm bed"),
        ("a {o}", "LED lamp", "a LED lamp"),
        ("an {o}", "LED lamp", "an LED lamp"),
        ("an {o}", "herb pot", "an herb pot"),
        ("a {o}", "herb pot", "a herb pot"),
        ("an {o}", "historic map", "an historic map"),
        ("a {o}", "éclair", "an éclair"),
        ("a {o}", "红色的杯子", "a 红色的杯子"),
        ("the {o} and vitamin a {o}", "orange", "the orange and vitamin an orange"),
        ("a photo of a {o}", "a mug", "a photo of a mug"),
        ("a photo of an {o}", "the mug", "a photo of the mug"),
        ("a {o}", "'80s poster", "an '80s poster"),
        ("an hour with {o}", "tea", "an hour with tea"),
    ],
)
def test_templates_judged_by_hand(template: str, value: str, prompt: str) -> None:
    [edit] = by_template("x", {"o": value}, targets={"t": template})
    assert edit.target_prompt == prompt


def test_template_source_is_the_caption_unless_given() -> None:
    [edit] = by_template("a cup", {}, targets={"x": "a bowl"})
    assert edit.source_prompt == "a cup"
    [edit] = by_template(None, {}, source="", targets={"x": "a bowl"})
    assert edit.source_prompt == ""


def test_template_names_its_columns() -> None:
    config = template.Config(source="{caption}", targets={"x": "{b} {a} {b}"})
    assert template.build(config).columns() == ["a", "b"]


def test_template_never_looks_into_a_value() -> None:
    with pytest.raises(RowError) as failed:
        by_template("a", {"o": "x"}, targets={"x": "{o.__class__}"})
    assert failed.value.kind == "no_column"


@pytest.mark.parametrize(
    ("row", "kind"),
    [
        ({}, "no_column"),
        ({"o": None}, "no_value"),
        ({"o": " "}, "no_value"),
        ({"o": ["x"]}, "bad_value"),
        ({"o": "x" * 2001}, "caption_too_long"),
    ],
)
def test_template_says_what_a_row_lacks(row: dict[str, Any], kind: str) -> None:
    with pytest.raises(RowError) as failed:
        by_template("a", row, targets={"x": "a {o}"})
    assert failed.value.kind == kind


@pytest.mark.parametrize(
    "config",
    [
        {"targets": {}},
        {"targets": {"x": "a {"}},
        {"targets": {"x": "a {}"}},
        {"targets": {"x": "a {o!r}"}},
        {"targets": {"x": "a {o:>9}"}},
        {"targets": {"../x": "a"}},
        {"targets": {"X": "a"}},
    ],
)
def test_template_configs_that_cannot_be_filled(config: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        template.Config.model_validate(config)
