"""No more pixels are worked on together than there is room for, and nobody waits for ever."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from threading import Lock

import pytest

from pipeline.rows import Spent
from pipeline.stages.room import Room


def test_threads_share_the_room_and_what_is_too_large_goes_alone() -> None:
    room, lock, inside, most = Room(10), Lock(), list[int](), list[list[int]]()
    spent = Spent()

    def work(pixels: int) -> None:
        with room.taken(pixels, spent):
            with lock:
                inside.append(pixels)
                most.append(list(inside))
            time.sleep(0.001)
            sum(range(10_000))
            with lock:
                inside.remove(pixels)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, [1, 4, 25, 3, 9, 2, 25, 0, 7, 5] * 5))
    assert len(most) == 50
    assert spent.codec_seconds > 0
    assert all(sum(held) <= 10 or [h for h in held if h] == [25] for held in most)
    assert max(map(len, most)) > 1


def test_an_error_gives_the_room_back() -> None:
    room = Room(1)
    with pytest.raises(ValueError, match="broken"), room.taken(5, Spent()):
        raise ValueError("broken")
    with room.taken(5, Spent()):
        pass
