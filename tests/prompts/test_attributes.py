"""`attributes`: each target as often as any other, however skewed the captions are."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from pipeline.errors import RowError
from pipeline.prompts._balance import Group, shares
from pipeline.prompts._draw import Draw
from pipeline.prompts._lists import COLOURS, LISTS
from pipeline.prompts._rule import PlannedEdit
from pipeline.prompts.attributes import TABLES, Config, build

SKEWED = ["a red mug"] * 70 + ["a blue mug"] * 20 + ["a green mug"] * 10


def planned(captions: list[str], seed: int = 0, **config: Any) -> list[list[PlannedEdit]]:
    """The edits of a shard's captions."""
    rule: Any = build(Config.model_validate(config))
    draw = Draw(seed, "shard")
    for ordinal, caption in enumerate(captions):
        draw.add(ordinal, rule.slots(caption, str(ordinal)))
    draw.settle()
    return [rule.plan(caption, {}, draw.of(i)) for i, caption in enumerate(captions)]


def loads(plans: list[list[PlannedEdit]], kind: str) -> Counter[str]:
    return Counter(e.target_word or "" for plan in plans for e in plan if e.edit_type == kind)


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("words", [("red", "blue", "green", "black"), COLOURS])
def test_each_target_comes_as_often_as_another(words: tuple[str, ...], order: int) -> None:
    counts = loads(planned(SKEWED[::order], tables={"colour": words}), "colour")
    assert len(counts) == len(words) and max(counts.values()) - min(counts.values()) <= 1


def test_what_no_caption_can_become_is_as_near_as_it_can_be() -> None:
    plans = planned(
        ["a red mug"] * 29 + ["a blue mug"], tables={"colour": ["red", "blue", "white"]}
    )
    assert loads(plans, "colour") == {"red": 1, "blue": 15, "white": 14} or loads(
        plans, "colour"
    ) == {"red": 1, "blue": 14, "white": 15}


def test_targets_of_one_caption_differ_and_none_is_its_own_word() -> None:
    for plan in planned(SKEWED, tables=["colours"], variants=4):
        words = [edit.target_word for edit in plan]
        assert len(set(words)) == 4 and plan[0].source_word not in words


def test_tables_take_turns_and_are_balanced_each() -> None:
    captions = [f"a {c} mug in a kitchen" for c in ("red", "red", "red", "blue") for _ in range(15)]
    plans = planned(captions, variants=2)
    for kind in ("colour", "object", "place"):
        counts = loads(plans, kind)
        assert max(counts.values()) - min(counts.values()) <= 1
    assert all(len({edit.edit_type for edit in plan}) == 2 for plan in plans)


def test_the_draw_is_of_the_captions_and_the_seed_alone() -> None:
    tables = {"tables": ["colours"]}
    rule: Any = build(Config.model_validate(tables))
    backwards = Draw(0, "shard")
    for ordinal, caption in reversed(list(enumerate(SKEWED))):
        backwards.add(ordinal, rule.slots(caption, str(ordinal)))
    backwards.settle()
    forwards = planned(SKEWED, **tables)
    assert forwards == [rule.plan(c, {}, backwards.of(i)) for i, c in enumerate(SKEWED)]
    assert forwards != planned(SKEWED, seed=1, **tables)


def test_those_of_a_kind_do_not_stand_together() -> None:
    targets = [plan[0].target_word for plan in planned(["a red mug"] * 60, tables=["colours"])]
    assert len(set(targets[:12])) > 4


def test_a_row_that_was_drawn_nothing_chooses_for_itself() -> None:
    rule: Any = build(Config.model_validate({"variants": 2}))
    [one, two] = rule.plan("a red mug", {})
    assert (one.edit_type, two.edit_type) in (("colour", "object"), ("object", "colour"))
    assert rule.plan("a red mug", {}) == [one, two]


def test_what_cannot_be_planned_takes_no_part() -> None:
    rule: Any = build(Config.model_validate({"tables": {"animal": "animals"}}))
    assert [rule.slots(c, "") for c in (None, "a hot dog", "x" * 3000)] == [[], [], []]
    with pytest.raises(RowError, match="no_word: 'dog' stays"):
        rule.plan("a hot dog", {})


@given(
    st.lists(st.tuples(st.sets(st.integers(0, 5), min_size=1), st.integers(0, 6)), max_size=4),
    st.integers(1, 2),
)
@settings(max_examples=60, deadline=None)
def test_loads_are_the_most_equal_that_there_are(kinds: Any, each: int) -> None:
    """Against the sum of squares of an assignment of unit edits by minimum-cost flow."""
    import networkx

    groups = [Group(tuple(sorted(o)), n, min(each, len(o))) for o, n in kinds]
    given = shares(groups, 6)
    graph = networkx.DiGraph()
    for number, group in enumerate(groups):
        assert given[number].sum() == group.captions * group.each
        assert given[number].max(initial=0) <= group.captions
        assert not given[number][[t for t in range(6) if t not in group.options]].any()
        graph.add_edge("from", number, capacity=group.captions * group.each, weight=0)
        for target in group.options:
            graph.add_edge(number, f"t{target}", capacity=group.captions, weight=0)
    for target in range(6):
        for load in range(50):  # the next edit of a target costs what its square grows by
            graph.add_edge(f"t{target}", (target, load), capacity=1, weight=2 * load + 1)
            graph.add_edge((target, load), "to", capacity=1, weight=0)
    if groups:
        flow = networkx.max_flow_min_cost(graph, "from", "to")
        best = networkx.cost_of_flow(graph, flow)
        assert int((given.sum(0) ** 2).sum()) == best


@pytest.mark.parametrize(
    ("caption", "word", "there", "back"),
    [
        ("a red mug", "blue", "make the mug blue", "make the mug red"),
        ("the mugs are red", "blue", "make the mugs blue", "make the mugs red"),
        ("A Red, Shiny Tea Mug", "blue", "make the tea mug blue", "make the tea mug red"),
        ("a shiny and red mug", "blue", "make the mug blue", "make the mug red"),
        ("a dog", "fox", "replace the dog with a fox", "replace the fox with a dog"),
        ("two dogs", "fox", "replace the dogs with foxes", "replace the foxes with dogs"),
        (
            "a cup in a kitchen",
            "office",
            "change the background to an office",
            "change the background to a kitchen",
        ),
        ("a chair made of glass", "metal", "change glass to metal", "change metal to glass"),
    ],
)
def test_instructions(caption: str, word: str, there: str, back: str) -> None:
    tables = [name for name, words in LISTS.items() if word in words]
    rule: Any = build(Config.model_validate({"tables": tables, "variants": 64}))
    edit = next(edit for edit in rule.plan(caption, {}) if edit.target_word == word)
    assert (edit.instruction, edit.inverse_instruction) == (there, back)


def test_built_in_tables_and_own_ones() -> None:
    assert list(Config().tables) == [name.removesuffix("s") for name in TABLES]
    own = Config.model_validate({"tables": {"shape": ["round", "square"], "colour": "colours"}})
    assert own.tables == {"shape": ("round", "square"), "colour": COLOURS}
    again = Config.model_validate(own.model_dump(mode="json"))
    assert again == own


@pytest.mark.parametrize(
    "tables", [{}, ["shapes"], {"x": "shapes"}, {"x": ["red"]}, {"x": ["red", "Red"]}, {"X y": []}]
)
def test_bad_tables_are_refused(tables: Any) -> None:
    with pytest.raises(ValidationError):
        Config.model_validate({"tables": tables})
