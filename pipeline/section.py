"""The base of every config section: frozen, and an unknown key is an error. Knows no section."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A part of the config; a parameter's description is its help."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=False)
