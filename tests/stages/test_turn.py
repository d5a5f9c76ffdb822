"""The device's clock: what it worked, what it waited, and that two threads never share it."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from pipeline.rows import Spent
from pipeline.stages.turn import Turn


def clock(*times: float) -> Iterator[float]:
    return iter(times)


def test_work_and_waiting_are_told_apart() -> None:
    turn = Turn(clock(10, 13, 15, 16, 16, 18).__next__)
    first, second = Spent(), Spent()
    with turn.taken(first):  # 10 to 13: nothing before it was waiting
        pass
    with turn.taken(second):  # 15 to 16
        pass
    with turn.taken(second):  # 16 to 18
        pass
    assert (first.model_seconds, first.idle_seconds) == (3, 0)
    assert (second.model_seconds, second.idle_seconds) == (3, 2)


def test_a_batch_that_raises_frees_the_device_and_counts() -> None:
    turn, spent = Turn(clock(0, 4, 5, 6).__next__), Spent()
    with pytest.raises(ValueError, match="broken"), turn.taken(spent):
        raise ValueError("broken")
    with turn.taken(spent):
        pass
    assert (spent.model_seconds, spent.idle_seconds) == (5, 1)


def test_one_thread_at_a_time() -> None:
    turn, inside, most = Turn(), [], []

    def work() -> None:
        for _ in range(200):
            with turn.taken(Spent()):
                inside.append(1)
                most.append(len(inside))
                inside.pop()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(most) == {1}
