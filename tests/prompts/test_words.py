"""Words found whole and replaced in place, and names that are safe and unique."""

from __future__ import annotations

import re

import inflect
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import RowError
from pipeline.prompts._inflection import article
from pipeline.prompts._lexicon import words
from pipeline.prompts._words import (
    checked,
    in_case_of,
    normal,
    replaced,
    unique_names,
    whole_words,
    with_article,
)

LETTERS = st.text("abcdefgR -,.'é", max_size=60)
WORD = st.text("abcdefgR", min_size=1, max_size=4)


@given(LETTERS, st.lists(WORD, min_size=1, max_size=4))
def test_words_are_only_found_whole(text: str, words: list[str]) -> None:
    for found in whole_words(words).finditer(text):
        around = text[: found.start()][-1:] + text[found.end() :][:1]
        assert not re.search(r"[\w-]", around)
        assert normal(found[0]) in {normal(word) for word in words}


@given(LETTERS, WORD)
def test_every_whole_word_is_found(text: str, word: str) -> None:
    tokens = [t for t in re.split(r"[^\w-]+", text) if t.lower() == word.lower()]
    assert len(whole_words([word]).findall(text)) == len(tokens)


@settings(deadline=None)  # the first article loads inflect
@given(LETTERS, WORD, WORD)
def test_replacing_touches_nothing_but_the_word_and_its_article(
    text: str, word: str, new: str
) -> None:
    spans = [found.span() for found in whole_words([word]).finditer(text)]
    result = replaced(text, spans, new)
    if not spans:
        assert result == text

    def rest(s: str) -> list[str]:
        words = [t.lower() for t in re.findall(r"[\w-]+|[^\w-]", s)]
        return [t for t in words if t not in {"a", "an", word.lower(), new.lower()}]

    assert rest(result) == rest(text)


def test_the_longest_word_wins() -> None:
    assert whole_words(["red", "dark red"]).findall("Dark  Red mug, red hat") == [
        "Dark  Red",
        "red",
    ]


@pytest.mark.parametrize(
    ("found", "expected"),
    [("red", "sky blue"), ("Red", "Sky blue"), ("RED", "SKY BLUE"), ("Dark Red", "Sky Blue")],
)
def test_case_is_kept(found: str, expected: str) -> None:
    assert in_case_of(found, "sky blue") == expected


@pytest.mark.parametrize(
    ("before", "word", "expected"),
    [
        ("a ", "orange", "an "),
        ("of an ", "blue", "of a "),
        ("A ", "orange", "An "),
        ("A ", "ORANGE", "AN "),
        ("AN ", "RED", "A "),
        ("An ", "red", "A "),
        ("an ", "uniform", "a "),
        ("a ", "umbrella", "an "),
        ("an ", "one-piece", "a "),
        ("a ", "hourglass", "an "),
        ("an ", "hat", "a "),
        ("a ", "éclair", "an "),
        ("a ", "hour", "an "),
        ("an ", "unicorn", "a "),
        ("an ", "European", "a "),
        ("a ", "MP3 player", "an "),
        ("a ", "X-ray", "an "),
        ("an ", "T-shirt", "a "),
        ("a ", "8-piece set", "an "),
        ("a ", "11 cm cup", "an "),
        ("an ", "118 cm cup", "a "),
        ("a ", "180 cm bed", "a "),
        ("a ", "LED lamp", "a "),
        ("an ", "LED lamp", "an "),
        ("a ", "USB stick", "a "),
        ("an ", "herb", "an "),
        ("a ", "herb", "a "),
        ("an ", "historic", "an "),
        ("the ", "orange", "the "),
        ("vitamin-a ", "orange", "vitamin-a "),
        ("banana ", "orange", "banana "),
    ],
)
def test_articles(before: str, word: str, expected: str) -> None:
    assert with_article(before, word) == expected


@given(st.lists(st.text(max_size=80), max_size=8))
def test_names_are_unique_and_safe(texts: list[str]) -> None:
    names = unique_names(texts)
    assert len(set(names)) == len(texts)
    assert all(re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name) for name in names)
    assert all(len(name) <= 52 for name in names)


def test_names_that_ascii_cannot_spell_still_differ() -> None:
    first, second = unique_names(["红色的杯子", "蓝色的杯子"])
    assert first[-2:] != "-2" and second[-2:] != "-2" and first != second


@pytest.mark.parametrize(
    ("text", "kind"),
    [(None, "no_caption"), (" \n", "no_caption"), ("x" * 2001, "caption_too_long")],
)
def test_what_is_no_prompt(text: str | None, kind: str) -> None:
    with pytest.raises(RowError) as failed:
        checked(text)
    assert failed.value.kind == kind


def test_what_spelling_tells_of_an_article_is_what_inflect_says() -> None:
    engine = inflect.engine()
    every = {word for name in ("things", "modifiers", "stuff") for word in words(name)}
    for word in sorted(word for word in every if word.isalpha()):
        said = article(word)
        assert said in (None, engine.a(word).split()[0]), word
