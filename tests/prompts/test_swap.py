"""`swap`: one word of a caption for another of its list."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from pipeline.errors import RowError
from pipeline.prompts._lists import LISTS
from pipeline.prompts.swap import Config, build

CAPTIONS = st.lists(
    st.sampled_from(["a", "an", "red", "Blue", "orange", "mug", "cup", "on", "Infra-red", "."]),
    min_size=1,
    max_size=12,
).map(" ".join)


def plan(caption: str | None, columns: dict[str, Any] | None = None, **config: Any) -> Any:
    return build(Config.model_validate(config)).plan(caption, columns or {})


with (Path(__file__).parent / "swaps.tsv").open(newline="") as file:
    JUDGED = list(csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE))[1:]


@pytest.mark.parametrize(("words", "caption", "right"), JUDGED)
def test_captions_judged_by_hand(words: str, caption: str, right: str) -> None:
    found, new = words.split(",")
    try:
        [edit] = plan(caption, pairs={found: new})
        outcome = edit.target_prompt
    except RowError as error:
        assert error.kind == "no_word" and "\n" not in error.message
        outcome = "dead"
    assert outcome in right.split(" || ")


@pytest.mark.parametrize("words", [["mug", "bowl"], ["mugs", "bowl"], ["mug", "bowls"]])
@pytest.mark.parametrize(("found", "new"), [("a mug", "a bowl"), ("two mugs", "two bowls")])
def test_number_is_kept_whatever_the_list_has(words: list[str], found: str, new: str) -> None:
    assert targets(found, groups=[words]) == [new]


def test_a_word_with_no_singular_is_swapped_for_its_like_alone() -> None:
    groups = [["jeans", "skirt", "shorts"]]
    assert targets("a woman in jeans", groups=groups, variants=3) == ["a woman in shorts"]
    assert targets("a woman in a skirt", groups=groups, variants=3, on_missing="pass") == []


def test_what_stays_is_told() -> None:
    with pytest.raises(RowError, match="no_word: 'dog' stays: a part of 'hot dog'"):
        plan("a hot dog", groups=["animals"])
    assert plan("a hot dog", groups=["animals"], on_missing="pass") == []


def test_a_word_of_two_classes_is_swapped_in_each_as_it_stands() -> None:
    config = {"groups": ["colours", "fruit"], "variants": 64}
    colours = set(targets("an orange shirt", **config))
    fruit = set(targets("an orange on a plate", **config))
    assert "a red shirt" in colours and "a pear shirt" not in colours
    assert "a pear on a plate" in fruit and "a red on a plate" not in fruit


def targets(caption: str, **config: Any) -> list[str]:
    return [edit.target_prompt for edit in plan(caption, **config)]


def test_a_word_becomes_another_of_its_group() -> None:
    [edit] = plan("A Red mug, a red hat", groups=[["red", "orange"]])
    assert (edit.name, edit.source_prompt) == ("red-to-orange", "A Red mug, a red hat")
    assert edit.target_prompt == "An Orange mug, an orange hat"


def test_pairs_go_one_way() -> None:
    pairs = {"cat": ["dog", "otter"], "sofa": "bed"}
    assert set(targets("a cat", pairs=pairs, variants=9)) == {"a dog", "an otter"}
    assert targets("a dog on a bed", pairs=pairs, on_missing="pass") == []


def test_variants_take_turns_among_the_words() -> None:
    config = {"groups": ["colours", ["mug", "cup", "vase"]], "variants": 2}
    for row in range(8):
        first, second = plan("a red mug", {"id": row}, **config)
        assert {first.name.split("-to-")[0], second.name.split("-to-")[0]} == {"red", "mug"}


def test_rows_with_one_caption_get_different_variants() -> None:
    chosen = {plan("a red mug", {"id": row}, groups=["colours"])[0].name for row in range(40)}
    assert len(chosen) > 5


@settings(deadline=None)  # the first number loads inflect
@given(CAPTIONS, st.integers(1, 8), st.dictionaries(st.text(max_size=3), st.integers(), max_size=3))
def test_plans_are_deterministic_with_unique_names(
    caption: str, variants: int, columns: dict[str, int]
) -> None:
    config = {
        "groups": ["colours", ["mug", "cup"]],
        "variants": variants,
        "on_missing": "pass",
    }
    edits = plan(caption, columns, **config)
    assert edits == plan(caption, dict(reversed(columns.items())), **config)
    assert len({edit.name for edit in edits}) == len(edits) <= variants
    assert len({edit.target_prompt for edit in edits}) == len(edits)
    assert all(edit.target_prompt != caption == edit.source_prompt for edit in edits)
    assert all(
        edit.target_prompt.count("Infra-red") == caption.count("Infra-red") for edit in edits
    )


def test_more_variants_keep_the_first_ones() -> None:
    many = targets("a red mug", groups=["colours"], variants=5)
    assert targets("a red mug", groups=["colours"], variants=2) == many[:2]


@pytest.mark.parametrize("caption", ["a photo of nothing", "an infra-red lamp", "Redmond", "ſheep"])
def test_a_caption_without_the_words(caption: str) -> None:
    config = {"groups": ["colours", ["sheep", "goat"]]}
    with pytest.raises(RowError) as failed:
        plan(caption, **config)
    assert failed.value.kind == "no_word"
    assert plan(caption, **config, on_missing="pass") == []


def test_no_caption_is_dead_even_where_missing_words_pass() -> None:
    with pytest.raises(RowError) as failed:
        plan(None, groups=["colours"], on_missing="pass")
    assert failed.value.kind == "no_caption"


@pytest.mark.parametrize(
    "config",
    [{}, {"groups": ["colors"]}, {"groups": [["red"]]}, {"pairs": {"cat": "Cat"}}, {"words": []}],
)
def test_configs_that_cannot_swap_are_refused(config: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Config.model_validate(config)


def test_the_settings_of_a_run_keep_the_words_of_a_built_in_list() -> None:
    [words] = Config.model_validate({"groups": ["vehicles"]}).model_dump()["groups"]
    assert {"car", "bus"} <= set(words)
    names = Config.model_json_schema()["properties"]["groups"]["items"]["anyOf"][0]["enum"]
    assert set(names) == set(LISTS)
