"""Prompts made from a row's columns: "a photo of a {colour} {object}". Knows no word lists."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from string import Formatter
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from pipeline.errors import RowError
from pipeline.prompts._rule import PlannedEdit, Rule
from pipeline.prompts._words import checked, with_article
from pipeline.section import Section

_OWN_ARTICLE = re.compile(r"(?:a|an|the)\s", re.IGNORECASE)
_ARTICLE = re.compile(r"(?<![\w-])an?\s+$", re.IGNORECASE)


def _parsed(template: str) -> list[tuple[str, str | None]]:
    """(text, column after it) pairs. Raises ValueError for what is not a plain {column}."""
    pieces = []
    for text, name, spec, conversion in Formatter().parse(template):
        if name == "" or spec or conversion:
            raise ValueError("write a column as {name}, and a brace as {{ or }}")
        pieces.append((text, name))
    return pieces


def _checked_template(template: str) -> str:
    _parsed(template)
    return template


Template = Annotated[str, AfterValidator(_checked_template)]
EditName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,47}$")]


class Config(Section):
    """Source and target prompts are templates; {caption} is the caption, {name} a column."""

    type: Literal["template"] = "template"
    source: Template = Field(
        "{caption}", description='Template of the source prompt; "" gives an empty prompt.'
    )
    targets: dict[EditName, Template] = Field(
        min_length=1, description="Edit's name (a-z, 0-9, - and _) → template of its target prompt."
    )


def build(config: Config) -> Rule:
    """The rule of `config`."""
    return TemplateRule(config)


@dataclass(frozen=True)
class TemplateRule:
    """The edits that the config names, the same for each row."""

    config: Config

    def columns(self) -> list[str]:
        """The columns that the templates name."""
        templates = [self.config.source, *self.config.targets.values()]
        names = {name for template in templates for _, name in _parsed(template)}
        return sorted(name for name in names if name not in (None, "caption"))

    def plan(self, caption: str | None, columns: Mapping[str, Any]) -> list[PlannedEdit]:
        """One edit a target template.

        Raises RowError: `no_caption`, `no_column`, `no_value`, `bad_value`, `caption_too_long`.
        """
        row = {**columns, "caption": caption}
        source = _filled(self.config.source, row) if self.config.source else ""
        return [
            PlannedEdit(name, source, _filled(template, row))
            for name, template in self.config.targets.items()
        ]


def _filled(template: str, row: Mapping[str, Any]) -> str:
    """`template` with its columns filled in; an a/an before a value is made to suit it."""
    prompt = ""
    for text, name in _parsed(template):
        prompt += text
        if name is not None:
            value = _value(row, name)
            prompt = _with_one_article(prompt, value) + value
    return checked(prompt)


def _with_one_article(before: str, value: str) -> str:
    """`before` with its a/an made to suit `value`, or left out where the value brings its own."""
    if _OWN_ARTICLE.match(value):
        return _ARTICLE.sub("", before)
    return with_article(before, value)


def _value(row: Mapping[str, Any], name: str) -> str:
    if name == "caption":
        return checked(row["caption"])
    if name not in row:
        there = ", ".join(sorted(row))
        raise RowError("no_column", f"the row has no column {name!r}; there are: {there}")
    value = row[name]
    if value is None or not str(value).strip():
        raise RowError("no_value", f"column {name!r} is empty; the template needs it")
    if not isinstance(value, (str, int, float)):
        raise RowError("bad_value", f"column {name!r} holds {value!r:.80}; expected text")
    return str(value)
