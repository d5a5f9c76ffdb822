"""No more pixels are worked on together than there is room for, and nobody waits for ever."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from threading import Lock

import pytest

from pipeline.rows import Spent
from pipeline.stages import room as rooms
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


@pytest.mark.skipif(rooms._trim is None or not rooms._private(), reason="not glibc on Linux")
@pytest.mark.parametrize("kept", [1 << 40, 1 << 26])
def test_what_was_freed_goes_back_where_it_is_much(
    monkeypatch: pytest.MonkeyPatch, kept: int
) -> None:
    monkeypatch.setattr(rooms, "KEPT", kept)
    assert rooms._trim
    rooms._trim(0)  # or what other tests freed would be used again, and the process not grow
    room = Room(1)
    held = [bytearray(b"1" * 60_000) for _ in range(4_000)]
    del held[:-1]  # what is left lies on top of the rest
    before = rooms._private()
    room.give_back()
    gone = before - rooms._private()
    assert gone > 1e8 if kept < 1e8 else gone < 1e7
