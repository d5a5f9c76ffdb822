"""Streamed distributions against numpy on all values at once."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.report.distribution import Distribution

VALUES = st.lists(st.floats(-1000, 1000, width=16), min_size=1, max_size=60)


@given(VALUES, st.integers(1, 40), st.integers(1, 5))
def test_bins_hold_every_value_whatever_the_parts(
    values: list[float], number: int, parts: int
) -> None:
    streamed = Distribution()
    for part in np.array_split(np.array(values), parts):
        streamed.add(part)
    bins = streamed.bins(number)
    assert sum(each.count for each in bins) == streamed.count == len(values)
    assert (bins[0].low, bins[-1].high) == (min(values), max(values))
    if len(bins) > 1:
        expected, _ = np.histogram(values, bins=number, range=(min(values), max(values)))
        assert [each.count for each in bins] == expected.tolist()


@given(VALUES, st.floats(0, 1))
def test_quantiles_are_numpys(values: list[float], share: float) -> None:
    streamed = Distribution()
    streamed.add(np.array(values))
    expected = np.quantile(values, share, method="inverted_cdf")
    assert streamed.quantile(share) == pytest.approx(expected)


def test_unknown_values_are_left_out_and_huge_ones_kept_in_range() -> None:
    streamed = Distribution()
    streamed.add(np.array([np.nan, 1e30, -np.inf]))
    assert streamed.count == 2
    assert [streamed.quantile(0), streamed.quantile(1)] == [-65504, 65504]


def test_without_values() -> None:
    assert Distribution().bins(4) == []
    with pytest.raises(ValueError, match="no values"):
        Distribution().quantile(0.5)
