"""One word of a caption for another of its list: counterfactual captions. Knows no grammar.

Plurals and other forms are words of their own: list `cats` and `dogs` too where they occur.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from pipeline.errors import RowError
from pipeline.prompts._lists import LISTS
from pipeline.prompts._rule import PlannedEdit, Rule
from pipeline.prompts._words import checked, normal, replaced, unique_names, whole_words
from pipeline.section import Section


def _built_in(group: Any) -> Any:
    if isinstance(group, str) and group not in LISTS:
        raise ValueError(f"no built-in list of this name; there are: {', '.join(LISTS)}")
    return LISTS[group] if isinstance(group, str) else group


Word = Annotated[str, Field(min_length=1, pattern=r"\w")]
Words = Annotated[tuple[Word, ...], Field(min_length=2)]
ListName = Literal["colours", "materials", "animals", "fruit", "vehicles", "backgrounds"]
Group = Annotated[Words, BeforeValidator(_built_in, json_schema_input_type=ListName | Words)]


class Config(Section):
    """A word found in a list is replaced by another of that list."""

    type: Literal["swap"] = "swap"
    groups: tuple[Group, ...] = Field(
        (), description="Lists of words that replace each other, or names of built-in lists."
    )
    pairs: dict[Word, Word | tuple[Word, ...]] = Field(
        default_factory=dict, description="Word → the word, or words, that it may become."
    )
    variants: int = Field(1, ge=1, le=64, description="Edits an image, at most.")
    on_missing: Literal["dead", "pass"] = Field(
        "dead", description="A caption with no such word: dead letter `no_word`, or nothing to do."
    )

    @model_validator(mode="after")
    def _some_words(self) -> Config:
        if not _others(self):
            raise ValueError("give groups or pairs in which a word may become another")
        return self


def build(config: Config) -> Rule:
    """The rule of `config`."""
    others = _others(config)
    return SwapRule(config, others, whole_words(others))


def _others(config: Config) -> dict[str, list[str]]:
    """Each word that may be replaced → what may stand in its place."""
    others: dict[str, dict[str, None]] = {}
    for group in config.groups:
        for word in group:
            others.setdefault(normal(word), {}).update(dict.fromkeys(group))
    for word, value in config.pairs.items():
        new = (value,) if isinstance(value, str) else value
        others.setdefault(normal(word), {}).update(dict.fromkeys(new))
    different = {word: [o for o in new if normal(o) != word] for word, new in others.items()}
    return {word: new for word, new in different.items() if new}


@dataclass(frozen=True)
class SwapRule:
    """Up to `variants` edits a caption, each with one word changed wherever it stands."""

    config: Config
    others: dict[str, list[str]]
    pattern: re.Pattern[str]

    def columns(self) -> list[str]:
        """None: only the caption is read."""
        return []

    def plan(self, caption: str | None, columns: Mapping[str, Any]) -> list[PlannedEdit]:
        """The edits, chosen by a digest of the row: the same row is given the same ones.

        Different words of the caption take turns, so that few variants still differ in kind.
        Raises RowError: `no_caption`, `caption_too_long`, `no_word`.
        """
        text = checked(caption)
        spans = self._spans(text)
        if not spans:
            if self.config.on_missing == "pass":
                return []
            raise RowError("no_word", f"no word of prompts.groups or pairs in {text[:200]!r}")
        chosen = _chosen(spans, self.others, _digest_of(text, columns))[: self.config.variants]
        names = unique_names(f"{word} to {new}" for word, new in chosen)
        return [
            PlannedEdit(name, text, replaced(text, spans[word], new))
            for name, (word, new) in zip(names, chosen, strict=True)
        ]

    def _spans(self, text: str) -> dict[str, list[tuple[int, int]]]:
        spans: dict[str, list[tuple[int, int]]] = {}
        for found in self.pattern.finditer(text):
            word = normal(found[0])
            if word in self.others:  # ignoring case, a regex takes ſ for s; `lower` does not
                spans.setdefault(word, []).append(found.span())
        return spans


def _chosen(
    found: Mapping[str, Any], others: Mapping[str, Sequence[str]], row: bytes
) -> list[tuple[str, str]]:
    """Every (word, other) in the row's own order, the words taking turns."""
    turns = [
        [(word, other) for other in sorted(others[word], key=lambda o: _rank(row, word, o))]
        for word in sorted(found, key=lambda word: _rank(row, word))
    ]
    in_turn = chain.from_iterable(zip_longest(*turns))
    return [choice for choice in in_turn if choice is not None]


def _digest_of(caption: str, columns: Mapping[str, Any]) -> bytes:
    row = json.dumps([caption, dict(columns)], sort_keys=True, default=str)
    return hashlib.blake2b(row.encode(), digest_size=16).digest()


def _rank(row: bytes, *words: str) -> bytes:
    return hashlib.blake2b("\0".join(words).encode(), key=row, digest_size=8).digest()
