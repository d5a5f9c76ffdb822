from __future__ import annotations

from jobs.benchmark.resume import simulate


def test_the_state_of_a_large_run_is_a_few_bytes_a_chunk() -> None:
    figures = simulate(rows=400_000, shards=40, chunk_rows=32, committed=0.3)
    assert figures["chunks"] == 40 * 313
    assert 0.25 < figures["records"] / figures["chunks"] < 0.35
    assert figures["shard_state_bytes"] < 2 * 313 + 100
