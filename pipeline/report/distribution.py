"""The distribution of any number of values in 512 KB of memory. Knows not what they measure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Every finite half-precision number in ascending order, and where each stands among all 2^16.
_BITS = np.arange(1 << 16, dtype=np.uint16)
_FINITE = _BITS[np.isfinite(_BITS.view(np.float16))]
_ORDER = _FINITE[np.argsort(_FINITE.view(np.float16), kind="stable")]
_VALUES = _ORDER.view(np.float16).astype(np.float64)
_LARGEST = float(np.finfo(np.float16).max)


@dataclass(frozen=True)
class Bin:
    """`count` values in [low, high); the last bin holds its upper end too."""

    low: float
    high: float
    count: int


@dataclass
class Distribution:
    """Counts by half-precision value: exact in number, to 1/2000 of each value in place."""

    _counts: NDArray[np.int64] = field(default_factory=lambda: np.zeros(1 << 16, np.int64))

    def add(self, values: NDArray[Any]) -> None:
        """Counts `values`, any shape; NaN is left out, larger ones stand at ±65504."""
        known = np.clip(values[~np.isnan(values)], -_LARGEST, _LARGEST)
        bits = known.astype(np.float16).view(np.uint16)
        self._counts += np.bincount(bits, minlength=1 << 16)

    @property
    def count(self) -> int:
        """How many values were counted."""
        return int(self._counts.sum())

    def quantile(self, share: float) -> float:
        """The least value that at least `share` (0..1) of all are not above. ValueError if none."""
        if not self.count:
            raise ValueError("no values to take a quantile of")
        running = np.cumsum(self._counts[_ORDER])
        return float(_VALUES[np.searchsorted(running, max(1, np.ceil(share * running[-1])))])

    def bins(self, number: int) -> list[Bin]:
        """`number` bins of equal width from the least to the greatest value; none if no values."""
        counts = self._counts[_ORDER]
        present = np.flatnonzero(counts)
        if not len(present):
            return []
        low, high = _VALUES[present[0]], _VALUES[present[-1]]
        if low == high:
            return [Bin(float(low), float(high), self.count)]
        found, edges = np.histogram(
            _VALUES[present], bins=number, range=(low, high), weights=counts[present]
        )
        return [
            Bin(float(a), float(b), int(n))
            for a, b, n in zip(edges[:-1], edges[1:], found, strict=True)
        ]
