"""Titles as shops write them: each comes out right, or as a dead letter that says why."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import RowError
from pipeline.prompts._lexicon import families
from pipeline.prompts.recolor import Config, build

with (Path(__file__).parent / "titles.tsv").open(newline="") as file:
    ROWS = list(csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE))[1:]

TITLES = [(title, right.split(" || ")) for _, title, _, right in ROWS]
COLOURED = [(title, colour, right.split(" || ")) for _, title, colour, right in ROWS if colour]
KINDS = {
    "no_colour", "unclear_colour", "several_colours", "colour_code", "colour_differs",
    "other_language",
}  # fmt: skip


def outcome(title: str, row: dict[str, Any] | None = None, **config: Any) -> str:
    """The target prompt, `dead` or `nothing`."""
    rule = build(Config.model_validate({"colours": ["orange"], **config}))
    try:
        edits = rule.plan(title, row or {})
    except RowError as error:
        assert error.kind in KINDS
        assert "\n" not in error.message
        return "dead"
    return edits[0].target_prompt if edits else "nothing"


@pytest.mark.parametrize(("title", "right"), TITLES)
def test_a_title_is_right_or_told(title: str, right: list[str]) -> None:
    assert outcome(title) in right


@pytest.mark.parametrize(("title", "colour", "right"), COLOURED)
def test_with_the_colour_in_a_column(title: str, colour: str, right: list[str]) -> None:
    config = {"source_colour": "colour"}
    basic = [word.title() for word in colour.split()[-1:] if word.lower() in families()]
    for value in (colour, colour.lower(), f" {colour.upper()}", *basic):
        assert outcome(title, {"colour": value}, **config) in right


@pytest.mark.parametrize(
    ("title", "colour", "right"),
    [
        ("Navy-Blue Linen Shirt", "Navy", "Orange Linen Shirt"),
        ("Navy Linen Shirt", "Navy-Blue", "Orange Linen Shirt"),
        ("Olive Green Parka", "Green", "Orange Parka"),
        ("Charcoal Blazer", "Grey", "Orange Blazer"),
        ("Golden Brown Leather Boots", "Brown", "Orange Leather Boots"),
        ("Beige/Black Slingback Heels", "Beige", "Orange/Black Slingback Heels"),
        ("Zorbmaster Blue 3000", "Blue", "Zorbmaster Orange 3000"),
        ("Cream Toaster", "Cream", "Orange Toaster"),
        ("Curtains, Duck Egg", "Duck Egg", "Curtains, Orange"),
        ("Mouse, Quartz Pink", "Pink", "Mouse, Orange"),
        ("Men's Linen Shirt with Pocket", "Navy", "Men's Orange Linen Shirt with Pocket"),
        ("a photo of a mug", "red", "a photo of an orange mug"),
        ("iPhone 15 Case", "Clear", "Orange iPhone 15 Case"),
        ("Pink Floyd T-Shirt", "Black", "Pink Floyd Orange T-Shirt"),
        ("Silver Cross Pushchair", "Navy", "Silver Cross Orange Pushchair"),
        ("Black & Decker Cordless Drill, Blue", "Blue", "Black & Decker Cordless Drill, Orange"),
        ("Red Mug", "", "Orange Mug"),
        ("Red Mug", None, "Orange Mug"),
        ("Red Mug", "Orange", "dead"),
        ("Mug", "Orange", "nothing"),
        ("Mug", "N/A", "dead"),
        ("Mug", "#ff0000", "dead"),
        ("Mug", "Multicolour", "dead"),
        ("Mug", "Black/White", "dead"),
        ("Zorbmaster 3000", "Blue", "dead"),
        ("Red Bull Energy Drink", "Red", "dead"),
        ("Red Bull Energy Drink", "Blue", "dead"),
        ("Green Tea Bags", "Green", "dead"),
        ("Green Tea Bags", "White", "dead"),
        ("18k White Gold Diamond Ring", "White Gold", "dead"),
        ("Sterling Silver Chain with Blue Stone", "Silver", "dead"),
        ("Sterling Silver Chain with Blue Stone", "Blue", "dead"),
        ("Light Wash Denim Jeans", "Light Blue", "dead"),
        ("Coffee Table", "Coffee", "dead"),
        ("taza roja", "red", "dead"),
        ("taza", "rojo", "dead"),
    ],
)
def test_a_column_tells_which_colour(title: str, colour: str | None, right: str) -> None:
    assert outcome(title, {"colour": colour}, source_colour="colour") == right


@pytest.mark.parametrize(
    ("title", "row", "source", "target"),
    [
        ("Zorbmaster 3000", {"noun": "toaster", "c": "navy"}, "navy toaster", "orange toaster"),
        (
            "Men's Shirts",
            {"noun": "Shirt", "c": "Navy"},
            "Men's Navy Shirts",
            "Men's Orange Shirts",
        ),
        (
            "Blue Table with a Mug",
            {"noun": "mug", "c": None},
            None,
            "Blue Table with an Orange Mug",
        ),
        ("Red Dress", {"noun": None, "c": None}, None, "Orange Dress"),
        ("Green Zorb Dress", {"noun": "zorb dress", "c": None}, None, "Orange Zorb Dress"),
    ],
)
def test_a_column_tells_the_noun(
    title: str, row: dict[str, Any], source: str | None, target: str
) -> None:
    config = {"colours": ["orange"], "object": "noun", "source_colour": "c"}
    [edit] = build(Config.model_validate(config)).plan(title, row)
    assert (edit.source_prompt, edit.target_prompt) == (source or title, target)


def test_a_column_that_is_missing_or_holds_no_text_is_told() -> None:
    rule = build(Config(source_colour="colour"))
    assert rule.columns() == ["colour"]
    for row, kind in (({}, "no_column"), ({"colour": 3}, "bad_value")):
        with pytest.raises(RowError) as failed:
            rule.plan("Red Mug", row)
        assert failed.value.kind == kind


def test_a_text_of_colours_alone_is_told_at_once() -> None:
    rule = build(Config())
    with pytest.raises(RowError, match="several_colours: 490 colour words"):
        rule.plan("red " * 490, {})


NOUNS = st.sampled_from(["Dress", "Wool Blazer", "Dining Chair", "Phone Case", "Yoga Mat", "Mug"])
COLOURS = st.sampled_from(["Red", "Navy Blue", "Olive Green", "Off-White", "Hot Pink", "Teal"])
HYPHENS = st.sampled_from("-‐‑‒–−")
BLANKS = st.sampled_from(["\u00a0", "\u2009", "\u202f", "\t", "&nbsp;", "  "])
FORMS = st.sampled_from(
    ["{c} {n}", "Women's {c} {n}", "{n} {c} XL", "{n} - {c}", "{n}, {c}, 35 cm", "{n} ({c})",
     "{n} in {c}", "Colour: {c}, Size: M", "Set of 2 {c} {n}"]
)  # fmt: skip


@given(FORMS, NOUNS, COLOURS, COLOURS)
def test_recoloring_back_gives_the_title(form: str, noun: str, has: str, new: str) -> None:
    title = form.format(c=has, n=noun)
    there = outcome(title, colours=[new.lower()])
    if has == new:
        assert there == "nothing"
    else:
        assert there == form.format(c=new, n=noun)
        assert outcome(there, colours=[has.lower()]) == title


@given(FORMS, NOUNS, COLOURS, st.sampled_from([str.upper, str.lower]))
def test_case_stays(form: str, noun: str, has: str, case: Any) -> None:
    title = case(form.format(c=has, n=noun))
    assert outcome(title, colours=["sky blue"]) == case(form.format(c="Sky Blue", n=noun))


@given(NOUNS, HYPHENS, st.sampled_from(["Navy{}Blue", "Off{}White", "Sky{}Blue", "Ice{}Blue"]))
def test_any_hyphen_is_a_hyphen(noun: str, hyphen: str, colour: str) -> None:
    assert outcome(f"{colour.format(hyphen)} {noun}") == f"Orange {noun}"


@given(NOUNS, BLANKS, COLOURS)
def test_any_blank_is_a_blank(noun: str, blank: str, colour: str) -> None:
    assert outcome(f"{colour}{blank}{noun}").split() == f"Orange {noun}".split()


@given(st.text(max_size=60), st.text(max_size=12))
def test_no_text_breaks_the_rule(title: str, colour: str) -> None:
    rule = build(Config(colours=("orange",), source_colour="colour"))
    for text in (title, f"Red {title}", f"{title} Blue Mug {colour}"):
        try:
            edits = rule.plan(text, {"colour": colour})
        except RowError:
            continue
        assert all(edit.target_prompt != edit.source_prompt for edit in edits)
