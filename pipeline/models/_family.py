"""Is a folder of one family? Reads its configs, loads no network. Knows no family.

Raises UsageError, in one line that says what it is instead.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import UsageError
from pipeline.models import _tokens
from pipeline.models._folder import read_json
from pipeline.models._parts import Part, Settings

# Of these a picture's noise predictions are the same with and without.
_UNUSED = ("safety_checker", "feature_extractor", "image_encoder")
_LIBRARIES = ("diffusers", "transformers")

All = Mapping[str, Settings]
"""The config of each part, by its name; of an absent part there is none."""


@dataclass(frozen=True)
class Family:
    """What the folders of one family have in common."""

    says: str  # its name, for a person
    parts: tuple[Part, ...]
    tokenizers: Mapping[str, str]  # the class of each, by name
    fault: Callable[[All], str | None]  # why these configs are not of the family
    tokens: Callable[[Path, All], Mapping[str, Any]]  # the tokenizers, by name
    levels: Callable[[Path], Any]  # of the scheduler
    resolution: Callable[[All], int | None]  # side in pixels it was trained at, where it says so
    pipelines: tuple[str, ...] = ()  # of model_index.json; empty: told by the parts alone
    absent: tuple[str, ...] = ()  # parts and tokenizers that it can do without
    unused: tuple[str, ...] = _UNUSED


@dataclass(frozen=True)
class Found:
    """A folder that is one of the family, and all of it but the networks."""

    folder: Path
    family: Family
    index: Settings
    settings: All
    tokens: Mapping[str, Any]
    levels: Any
    resolution: int | None

    @property
    def parts(self) -> list[Part]:
        """Those that are there."""
        return [part for part in self.family.parts if part.name in self.settings]

    def files(self) -> list[Path]:
        """All that decides its pictures."""
        scheduler = self.folder / "scheduler" / "scheduler_config.json"
        names = self.family.tokenizers
        tokenizer = [self.folder / name / file for name in names for file in _tokens.FILES]
        networks = [file for part in self.parts for file in part.files(self.folder)]
        return [scheduler, *networks, *(file for file in tokenizer if file.is_file())]


def read(folder: Path, family: Family) -> Found:
    """All of a folder but its networks."""
    index = _index(folder)
    there = _checked(folder, index, family)
    settings = {p.name: p.settings(folder, family.says) for p in family.parts if p.name in there}
    if fault := family.fault(settings):
        raise UsageError(f"model.path: {folder} is not {family.says}: {fault}")
    levels, tokens = family.levels(folder), family.tokens(folder, settings)
    return Found(folder, family, index, settings, tokens, levels, family.resolution(settings))


def _index(folder: Path) -> Settings:
    if not (folder / "model_index.json").exists():
        raise UsageError(
            f"model.path: {folder} has no model_index.json; expected a diffusers folder "
            "(model_index.json, scheduler, vae, tokenizer, text_encoder and unet or transformer)"
        )
    return read_json(folder / "model_index.json")


def _checked(folder: Path, index: Settings, family: Family) -> set[str]:
    """The parts that the folder has. Raises UsageError where they are not the family's."""
    fault = _index_fault(index, family)
    if fault:
        raise UsageError(f"model.path: {folder} is not {family.says}: {fault}")
    return {name for name, value in index.items() if _class_of(value)}


def _index_fault(index: Settings, family: Family) -> str | None:
    if family.pipelines and index.get("_class_name") not in family.pipelines:
        return f"its model_index.json is of a {index.get('_class_name')}"
    parts = {name: _class_of(value) for name, value in index.items() if name[0] != "_"}
    classes = {part.name: (part.kind.__name__, *part.also) for part in family.parts}
    classes |= {name: (kind, f"{kind}Fast") for name, kind in family.tokenizers.items()}
    for name, kind in parts.items():
        if kind and name not in (*classes, "scheduler", *family.unused):
            return f"it has a {name} ({kind})"
    for name, expected in classes.items():
        if parts.get(name) not in expected and (parts.get(name) or name not in family.absent):
            found = f"its {name} is a {parts[name]}" if parts.get(name) else f"it names no {name}"
            return f"{found} (model_index.json), expected a {expected[0]}"
    return None


def _class_of(value: Any) -> str | None:
    """The class of a part in model_index.json; None for a setting and for a part left out."""
    if isinstance(value, list) and len(value) == 2 and isinstance(value[1], str):
        return value[1] if value[0] in _LIBRARIES else f"{value[0]}.{value[1]}"
    return None
