"""The row-failure policy: only guilty rows fail, run errors pass, the work stays logarithmic."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import RowError, UsageError
from pipeline.stages.guard import guarded


@given(st.lists(st.booleans(), max_size=64))
def test_exactly_the_guilty_rows_fail(guilty: list[bool]) -> None:
    def work(items):
        if any(guilty[i] for i in items):
            raise ValueError("bad pixels")
        return [i * 10 for i in items]

    results = guarded(range(len(guilty)), work)
    for i, (bad, result) in enumerate(zip(guilty, results, strict=True)):
        assert isinstance(result, RowError) if bad else result == i * 10


def test_one_guilty_row_costs_a_logarithm_of_calls() -> None:
    calls = 0

    def work(items):
        nonlocal calls
        calls += 1
        if 37 in items:
            raise ValueError
        return list(items)

    guarded(range(64), work)
    assert calls <= 2 * 6 + 1


def test_a_row_error_keeps_its_kind_and_others_are_internal() -> None:
    def work(items):
        raise RowError("too_large", "9 MP, allowed 1 MP") if items == [0] else KeyError("x")

    first, second = guarded([0, 1], work)
    assert (first.kind, second.kind) == ("too_large", "internal")
    assert "KeyError" in second.message


def test_a_run_error_ends_the_run() -> None:
    def work(items):
        raise UsageError("no such bucket")

    with pytest.raises(UsageError):
        guarded([1, 2], work)
