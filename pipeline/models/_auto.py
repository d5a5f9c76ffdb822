"""`model.type: auto`: a folder's model_index.json names its family. Imports no torch.

A family is found by its module's `Config.pipelines`; there is no other list of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pipeline.errors import UsageError
from pipeline.models import _folder
from pipeline.models._settings import Settings

FALLBACK = "stable_diffusion"
"""Whose loader tells why a folder that says nothing cannot be used."""


def completed(raw: Mapping[str, Any], kinds: Mapping[str, type[Settings]]) -> dict[str, Any]:
    """A run's sections with the model's family named, and its defaults where they say nothing.

    Raises UsageError, in one line, where the folder is of no family of `kinds`.
    """
    model = raw.get("model")
    if not isinstance(model, dict):
        return dict(raw)
    named = model.get("type", "auto")
    family = _family(model, kinds) if named == "auto" else named
    if not isinstance(family, str) or family not in kinds:
        return dict(raw)
    kind = kinds[family]
    # A config that names the family is read without a network.
    found = {**kind.said(lambda file: _read(model, file, named == "auto")), **model, "type": family}
    return {**raw, **_with_defaults(raw, kind), "model": found}


def _with_defaults(raw: Mapping[str, Any], kind: type[Settings]) -> dict[str, Any]:
    sections = {}
    for name, values in kind.defaults.items():
        given = raw.get(name, {})
        sections[name] = {**values, **given} if isinstance(given, dict) else given
    return sections


def _family(model: Mapping[str, Any], kinds: Mapping[str, type[Settings]]) -> str:
    said = _read(model, "model_index.json", True).get("_class_name")
    for name, kind in kinds.items():
        if said in kind.pipelines:
            return name
    if said is None or model.get("path", "demo") == "demo":
        return FALLBACK
    raise UsageError(
        f"model.path: {model['path']} is a folder of {said} (model_index.json), which no family "
        f"here reads; there are {', '.join(kinds)}"
    )


def _read(model: Mapping[str, Any], file: str, reach: bool) -> dict[str, Any]:
    """A config of the model's folder; empty where it cannot be had, which the loader tells.

    `reach`: ask the hub where it is not on this machine.
    """
    path, revision = model.get("path", "demo"), model.get("revision")
    if not isinstance(path, str) or not isinstance(revision, str | None):
        return {}
    try:
        return _folder.read_json(_folder.find_config(path, revision, file, reach))
    except UsageError:
        return {}
