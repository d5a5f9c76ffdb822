"""The base of every config section: frozen, and an unknown key is an error. Knows no section."""

from __future__ import annotations

import sys
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
