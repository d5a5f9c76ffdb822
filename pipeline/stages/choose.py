"""Of several tries at one edit, which are kept. Knows no picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from pipeline.checks import Bound
from pipeline.errors import RowError
from pipeline.keep import refused
from pipeline.stages.explode import Outcome, Row
from pipeline.stages.score import module
from pipeline.variants import Try, Variants, by_target


class Attempt(NamedTuple):
    """One try at one target."""

    planned: Row
    drawn: Try | None  # None: there is no other


def attempts(variants: Variants | None, edits: Sequence[Row], seed: int) -> list[Attempt]:
    """The tries at the targets of an image's planned edits, target by target."""
    if variants is None:
        return [Attempt(planned, None) for planned in edits]
    drawn = variants.drawn(seed)
    return [Attempt(edits[places[0]], each) for places in by_target(edits) for each in drawn]


def kept(
    variants: Variants,
    keep: Mapping[str, Bound],
    edits: Sequence[Row],
    tries: Sequence[Attempt],
    outcomes: Sequence[Outcome],
) -> list[Outcome]:
    """Of the outcomes of `tries` one for each of the planned edits."""
    found: dict[int, Outcome] = {}
    done = list(zip(tries, outcomes, strict=True))
    for number, places in enumerate(by_target(edits)):
        mine = done[number * variants.tries : (number + 1) * variants.tries]
        found |= {at: _chosen(variants, keep, mine, edits[at].get("rank") or 1) for at in places}
    return [found[at] for at in range(len(edits))]


def _chosen(
    variants: Variants,
    keep: Mapping[str, Bound],
    tried: Sequence[tuple[Attempt, Outcome]],
    rank: int,
) -> Outcome:
    """The outcome of the `rank`-th best try (1: the best).

    Tries that `keep` refuses come after all others, as published filters bound first and then take
    the best; those of which the score is not defined come last of their kind, and of equal ones the
    first counts. Where fewer went well, it is what ended the first one that did not.
    """
    column = f"score_{variants.by}"
    sign = 1 if getattr(module(variants.by), "LOWER_IS_BETTER", False) else -1

    def order(made: tuple[Attempt, Row]) -> tuple[bool, bool, float]:
        value = made[1][column]
        return refused(made[1], keep) is not None, value is None, sign * (value or 0.0)

    went_well = [(t, o) for t, o in tried if isinstance(o, dict) and not o.get("error_kind")]
    if rank <= len(went_well):
        attempt, row = sorted(went_well, key=order)[rank - 1]
        return {**row, **_told(attempt, len(tried))}
    ended = (o for _, o in tried if isinstance(o, RowError) or o.get("error_kind"))
    return next(ended, RowError("no_variant", f"there is no {rank}. best of {len(tried)} tries"))


def _told(attempt: Attempt, tries: int) -> Row:
    drawn = attempt.drawn
    names = {"variant": "number", "mask_threshold": "mask_threshold", "mask_dilate": "mask_dilate"}
    return {"tries": tries, **{column: getattr(drawn, name) for column, name in names.items()}}
