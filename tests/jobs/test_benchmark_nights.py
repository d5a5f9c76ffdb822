from __future__ import annotations

from jobs.benchmark.nights import simulate


def test_a_picture_takes_few_bytes_in_a_list() -> None:
    figures = simulate(pictures=40_000, folders=8)
    assert figures["bytes_a_picture"] < 14
