"""Several tries at each edit, of which the best are kept: `edit.variants`. Knows no tensor.

DDIM draws nothing, so tries differ in what DiffEdit has: their noise maps, and numbers that are
drawn for each try, as InstructPix2Pix drew its guidance (Brooks et al. 2023, section 3.1). What is
drawn depends on the row's seed and the try alone, so all targets of an image have the same tries,
and share what tries share.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from itertools import product
from typing import Annotated, Any

from pydantic import AfterValidator, Field, model_validator

from pipeline.section import Section

MOST = 4096
"""Combinations that lists may make."""


class Range(Section):
    """Any number from `min` to `max`, to three digits after the point."""

    min: float
    max: float

    @model_validator(mode="after")
    def _ascending(self) -> Range:
        if not self.min < self.max:
            raise ValueError("give a min below max")
        return self


Values = Annotated[tuple[float, ...], Field(min_length=1)]


def _drawn(least: float, most: float, whole: bool = False) -> Any:
    """A range or a list of numbers that may be `least` to `most`; None: it is not drawn."""

    def check(value: Range | Values | None) -> Range | Values | None:
        numbers = (value.min, value.max) if isinstance(value, Range) else value or ()
        if any(not least <= number <= most for number in numbers):
            raise ValueError(f"give numbers from {least:g} to {most:g}")
        if whole and (isinstance(value, Range) or any(n != int(n) for n in numbers)):
            raise ValueError("give a list of whole numbers")
        return value

    return Annotated[Range | Values | None, AfterValidator(check)]


TINY = 0.001


@dataclass(frozen=True)
class Try:
    """One try; None is not drawn, and as the edit and the config say."""

    number: int  # from 0
    seed: int  # of its noise maps
    mask_strength: float | None = None
    mask_threshold: float | None = None
    mask_dilate: int | None = None
    encoding_ratio: float | None = None
    guidance_scale: float | None = None


DRAWN = [field.name for field in fields(Try)][2:]
OF_THE_MASK = [name for name in DRAWN if name.startswith("mask_")]


class Variants(Section):
    """Tries at each edit, and which of them are kept."""

    tries: int = Field(ge=2, le=100, description="Tries at each edit.")
    keep: int = Field(1, ge=1, description="How many are kept, the best ones.")
    by: str = Field(description="The score that tells them, one of check.scores.")
    noise: bool = Field(True, description="Whether each try has noise maps of its own.")
    mask_strength: _drawn(TINY, 1) = Field(  # type: ignore[valid-type]
        None, description="Of mask.strength, as the others: {min, max}, or a list to choose from."
    )
    mask_threshold: _drawn(TINY, 1 - TINY) = Field(None, description="Of mask.threshold.")  # type: ignore[valid-type]
    mask_dilate: _drawn(0, 16, whole=True) = Field(None, description="Of mask.dilate: a list.")  # type: ignore[valid-type]
    encoding_ratio: _drawn(TINY, 1) = Field(None, description="Of invert.encoding_ratio.")  # type: ignore[valid-type]
    guidance_scale: _drawn(0, 1000) = Field(None, description="Of edit.guidance_scale.")  # type: ignore[valid-type]

    @model_validator(mode="after")
    def _different(self) -> Variants:
        if self.keep > self.tries:
            raise ValueError(f"keep {self.keep} of {self.tries} tries: there are not so many")
        size = len(self._grid())
        if size > MOST:
            raise ValueError(f"the lists make {size} combinations; at most {MOST}")
        if not self.noise and not self._ranges() and size < self.tries:
            raise ValueError(
                f"{self.tries} tries, but the lists make {size} and noise is the same for all: "
                "some would be equal"
            )
        return self

    def drawn(self, seed: int) -> list[Try]:
        """The tries of the image whose noise maps' seed is `seed`; the first has its noise."""
        grid = sorted(enumerate(self._grid()), key=lambda item: _share(seed, "grid", item[0]))
        return [
            Try(
                number,
                _seed(seed, number) if self.noise else seed,
                **{**grid[number % len(grid)][1], **self._of_ranges(seed, number)},
            )
            for number in range(self.tries)
        ]

    def varies_masks(self) -> bool:
        """Whether tries differ in where they edit."""
        return self.noise or any(getattr(self, name) is not None for name in OF_THE_MASK)

    def _of_ranges(self, seed: int, number: int) -> dict[str, Any]:
        return {
            name: round(of.min + (of.max - of.min) * _share(seed, name, number), 3)
            for name, of in self._ranges().items()
        }

    def _ranges(self) -> dict[str, Range]:
        return {n: getattr(self, n) for n in DRAWN if isinstance(getattr(self, n), Range)}

    def _grid(self) -> list[dict[str, Any]]:
        lists = {n: getattr(self, n) for n in DRAWN if isinstance(getattr(self, n), tuple)}
        if "mask_dilate" in lists:
            lists["mask_dilate"] = tuple(int(cells) for cells in lists["mask_dilate"])
        each = (dict.fromkeys(values) for values in lists.values())
        return [dict(zip(lists, chosen, strict=True)) for chosen in product(*each)]


def places(edits: Sequence[Mapping[str, Any]], variants: Variants | None) -> list[dict[str, Any]]:
    """A planned edit for each try that is to be kept: the best has the edit's name, `rank` 1."""
    if variants is None:
        return [{**edit, "rank": None} for edit in edits]
    ranks = range(1, variants.keep + 1)
    return [
        {**edit, "rank": rank, "name": edit["name"] + (f"~{rank}" if rank > 1 else "")}
        for edit in edits
        for rank in ranks
    ]


def target_of(name: str, rank: int | None) -> str:
    """The name of the edit that the `rank`-th best of several tries at is called `name`."""
    return name.removesuffix(f"~{rank}") if rank else name


def by_target(edits: Sequence[Mapping[str, Any]]) -> Iterator[list[int]]:
    """Positions of the planned edits that are of one target, target by target."""
    groups: dict[str, list[int]] = {}
    for at, edit in enumerate(edits):
        groups.setdefault(target_of(edit["name"], edit.get("rank")), []).append(at)
    return iter(groups.values())


def _digest(seed: int, of: str, number: int) -> int:
    text = f"{seed}:{of}:{number}"
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")


def _share(seed: int, of: str, number: int) -> float:
    """0 to 1, evenly."""
    return _digest(seed, of, number) / 2**64


def _seed(seed: int, number: int) -> int:
    return _digest(seed, "noise", number) & (2**53 - 1) if number else seed
