"""The base of every config section: frozen, and an unknown key is an error. Knows no section.

And how sections of one kind are found, by the modules that define them.
"""

from __future__ import annotations

import pkgutil
import sys
from importlib import import_module
from typing import Any

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A part of the config; each field's description is its help."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def build(section: Section) -> Any:
    """What the module that defines `section` makes of it: a Source, a Rule, a Denoiser."""
    return sys.modules[type(section).__module__].build(section)


def check(section: Section) -> Any:
    """The digest of what `build` would make. Raises the UsageError that it would; keeps nothing."""
    return sys.modules[type(section).__module__].check(section)


def public(package: str) -> list[str]:
    """Names of the public modules of `pipeline.<package>`, in order, without importing them."""
    folder = import_module(f"pipeline.{package}")
    return sorted(m.name for m in pkgutil.iter_modules(folder.__path__) if m.name[0] != "_")


def variants(package: str) -> dict[str, Any]:
    """The `Config` of each public module of `pipeline.<package>` that has one, by module name."""
    modules = {name: import_module(f"pipeline.{package}.{name}") for name in public(package)}
    return {name: module.Config for name, module in modules.items() if hasattr(module, "Config")}
