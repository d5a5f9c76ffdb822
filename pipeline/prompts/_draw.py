"""Targets drawn for all captions of a shard at once, each target as often as another.

First every caption is noted with its words and what they may become; then `settle` says how many
of each it will be (`_balance.py`), and which caption gets which is mixed by the seed and the
caption's place. So a draw depends on the shard's captions and the seed, not on who reads them when.
Knows no caption's words and no source.
"""

from __future__ import annotations

import hashlib
from array import array
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from pipeline.prompts._balance import Group, shares
from pipeline.prompts._rule import Pair, Slot


class Draw:
    """Of one shard; 24 bytes a slot."""

    def __init__(self, seed: int, shard: str) -> None:
        self._seed = f"{seed} {shard}"
        self._numbers: dict[Slot, int] = {}
        self._slots, self._ordinals = array("q"), array("q")

    def add(self, ordinal: int, slots: Sequence[Slot]) -> None:
        """Notes the caption at `ordinal`."""
        for slot in slots:
            self._slots.append(self._numbers.setdefault(slot, len(self._numbers)))
            self._ordinals.append(ordinal)

    def settle(self) -> None:
        """Draws; to be called once, after the last caption."""
        self._kinds = sorted(self._numbers)  # whatever the order in which they came
        number_of = {slot: number for number, slot in enumerate(self._kinds)}
        renamed = np.array([number_of[slot] for slot in self._numbers], np.int64)
        slots = self._kind = renamed[np.array(self._slots, np.int64)]
        ordinals = np.array(self._ordinals, np.int64)
        self._place = np.zeros(len(slots), np.int64)  # of each slot among those of its kind
        for number, slot in enumerate(self._kinds):
            mine = np.flatnonzero(slots == number)
            mixed = np.argsort(_mixed(ordinals[mine], self._digest(repr(slot))), kind="stable")
            self._place[mine[mixed]] = np.arange(len(mine))
        self._drawn = self._shares(np.bincount(slots, minlength=len(self._kinds)))
        self._order = np.argsort(ordinals, kind="stable")
        self._sorted = ordinals[self._order]

    def of(self, ordinal: int) -> list[Pair]:
        """What the caption at `ordinal` was given; empty where it was not noted."""
        first, last = np.searchsorted(self._sorted, [ordinal, ordinal + 1])
        return [pair for place in self._order[first:last] for pair in self._pairs(int(place))]

    def _pairs(self, place: int) -> Iterator[Pair]:
        slot, drawn = self._kinds[self._kind[place]], self._drawn[self._kind[place]]
        captions = len(drawn) // slot.each
        for turn in range(slot.each):
            number = int(drawn[int(self._place[place]) + turn * captions])
            yield slot.word, slot.options[number]

    def _shares(self, counts: npt.NDArray[np.int64]) -> list[npt.NDArray[np.int64]]:
        """Of each kind of slot the options, by number, as often as they are given.

        A target stands in one run, no longer than there are captions: those of one caption, which
        lie that far apart, are different ones.
        """
        tables: defaultdict[str, list[int]] = defaultdict(list)
        for number, slot in enumerate(self._kinds):
            tables[slot.table].append(number)
        drawn = [np.zeros(0, np.int64)] * len(self._kinds)
        for numbers in tables.values():
            targets = self._targets([self._kinds[number] for number in numbers])
            groups = [self._group(targets, number, int(counts[number])) for number in numbers]
            for number, given in zip(numbers, shares(groups, len(targets)), strict=True):
                often = given[[targets[option] for option in self._kinds[number].options]]
                drawn[number] = np.repeat(np.arange(len(often)), often)
        return drawn

    def _group(self, targets: Mapping[str, int], number: int, captions: int) -> Group:
        slot = self._kinds[number]
        return Group(tuple(targets[option] for option in slot.options), captions, slot.each)

    def _targets(self, slots: Sequence[Slot]) -> Mapping[str, int]:
        """Number of each target; those that get one more than others are not always the same."""
        every = {option for slot in slots for option in slot.options}
        return {word: i for i, word in enumerate(sorted(every, key=lambda w: (self._digest(w), w)))}

    def _digest(self, text: str) -> int:
        said = f"{self._seed}\0{text}".encode("utf-8", "surrogatepass")
        return int.from_bytes(hashlib.blake2b(said, digest_size=8).digest())


def _mixed(numbers: npt.NDArray[np.int64], seed: int) -> npt.NDArray[np.uint64]:
    """A digest of each number: splitmix64's finalizer (Steele, Lea and Flood 2014, section 4)."""
    z = numbers.astype(np.uint64) + np.uint64(seed)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))
