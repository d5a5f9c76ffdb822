"""What `diffedit plan` says of a run's cost. Knows no way to find it out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from pipeline.config import RunConfig
from pipeline.terminal import console

if TYPE_CHECKING:
    from pipeline.engine.estimate import Estimate


class Costs(NamedTuple):
    """Lines for a person, and figures for machines; null where nobody asked."""

    facts: list[tuple[str, str]]
    numbers: dict[str, Any]


def costs(
    config: RunConfig, estimate: Estimate, gpu: str | None, hourly: float | None, here: bool
) -> Costs:
    """On a GPU by its data sheet, and on this machine by measuring. Raises UsageError."""
    facts: list[tuple[str, str]] = []
    numbers: dict[str, Any] = {"gpu": None, "measured": None}
    if gpu:
        from pipeline.engine.price import price

        told = price(estimate, config, gpu, hourly)
        facts += told.facts()
        numbers["gpu"] = told.numbers()
    if here:
        from pipeline.engine.measure import measure

        with console.status("editing a few images …"):
            found = measure(config)
        facts += found.facts(estimate, None if gpu else hourly)
        numbers["measured"] = found.numbers()
    return Costs(facts, numbers)
