"""YAML and overrides → a `RunConfig`, or a line for each thing that is amiss. Knows no setting."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from pipeline.config import RunConfig
from pipeline.errors import UsageError
from pipeline.section import variants


def load(path: str | Path, overrides: Sequence[str] = ()) -> RunConfig:
    """The config in a YAML file with `key.path=value` overrides (values are YAML too).

    Raises UsageError with one line an error: key path, the value found, what is allowed.
    """
    try:
        raw = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{path}: cannot read the config: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from error
    if not isinstance(raw, dict):
        raise UsageError(f"{path}: expected a mapping with input, output, prompts and model")
    return parse(raw, str(path), overrides)


def parse(raw: dict[str, Any], name: str = "config", overrides: Sequence[str] = ()) -> RunConfig:
    """`raw` with `overrides`, validated. Raises UsageError with one line an error."""
    for override in overrides:
        assign(raw, override)
    try:
        return RunConfig.model_validate(raw)
    except ValidationError as error:
        raise UsageError("\n".join(_line(name, e) for e in error.errors())) from error


def schema() -> dict[str, Any]:
    """The JSON schema of a config file."""
    return RunConfig.model_json_schema()


def assign(raw: dict[str, Any], override: str) -> None:
    """Puts an override, `key.path=value`, into `raw`. Raises UsageError where it is none."""
    path, equals, value = override.partition("=")
    keys = path.split(".")
    if not equals or not all(keys):
        raise UsageError(f"override {override!r}: expected key.path=value")
    for depth, key in enumerate(keys[:-1], 1):
        raw = raw.setdefault(key, {})
        if not isinstance(raw, dict):
            raise UsageError(f"override {override!r}: {'.'.join(keys[:depth])} is not a section")
    try:
        raw[keys[-1]] = yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise UsageError(f"override {override!r}: the value is not valid YAML") from error


def _line(name: str, error: Any) -> str:
    # A discriminated union puts the chosen tag into the location: input.webdataset.path.
    tags = {t for package in ("sources", "prompts", "models") for t in variants(package)}
    location = [str(part) for part in error["loc"]]
    keys = [p for i, p in enumerate(location) if not (i == 1 and p in tags)]
    path = ".".join(keys) or "(top level)"
    if error["type"] == "extra_forbidden":
        return f"{name}: {path}: unknown key; {_allowed(location)}"
    if error["type"] == "missing":
        return f"{name}: {path}: missing; it must be given"
    message = error["msg"].removeprefix("Value error, ")
    return f"{name}: {path}: {message[0].lower()}{message[1:]} (found {_short(error['input'])})"


def _allowed(location: Sequence[str]) -> str:
    section: Any = RunConfig
    for part in location[:-1]:
        if part in RunConfig.model_fields and section is RunConfig:
            package = {"input": "sources", "prompts": "prompts", "model": "models"}.get(part)
            options = variants(package) if package else {}
            section = options if len(options) > 1 else None
            if not options:
                section = RunConfig.model_fields[part].annotation
            elif len(options) == 1:
                section = next(iter(options.values()))
        elif isinstance(section, dict):
            section = section.get(part)
        elif section is not None and part in section.model_fields:
            section = section.model_fields[part].annotation
    fields = getattr(section, "model_fields", None)
    return f"allowed: {', '.join(fields)}" if fields else "remove it"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
