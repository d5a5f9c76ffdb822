"""`Table → Table`: plan, edit, check; and `guard`, the row-failure policy. Knows no Ray."""

from pipeline.stages.check import Check
from pipeline.stages.edit import Edit
from pipeline.stages.plan import Plan

__all__ = ["Check", "Edit", "Plan"]
