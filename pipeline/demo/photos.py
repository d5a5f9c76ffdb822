"""The training set: scenes 0 … count − 1 drawn once into one array on disk. Knows no model."""

from __future__ import annotations

import os
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipeline.demo.scenes import Scene

HELD_OUT = 1_000_000
"""Seeds from here on are for evaluation; training never draws them."""
BLOCK = 250


def photos(folder: Path, count: int, size: int) -> NDArray[np.uint8]:
    """Photos of the scenes 0 … count − 1, (count, size, size, 3), drawn where not yet on disk.

    Raises ValueError if count reaches the held-out seeds.
    """
    if count > HELD_OUT:
        raise ValueError(f"{count} training scenes would reach the held-out seeds, from {HELD_OUT}")
    path = folder / f"photos-{count}-{size}.npy"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        _draw_all(path, count, size)
    drawn: NDArray[np.uint8] = np.load(path, mmap_mode="r")
    return drawn


def captions(count: int) -> list[str]:
    """The captions of the scenes 0 … count − 1."""
    return [Scene.draw(seed).caption for seed in range(count)]


def _draw_block(size: int, seeds: range) -> NDArray[np.uint8]:
    return np.stack([np.asarray(Scene.draw(seed).render(size)) for seed in seeds])


def _draw_all(path: Path, count: int, size: int) -> None:
    """Draws in all cores, into a temporary file that is renamed once whole."""
    unfinished = path.with_suffix(".part")
    shape = (count, size, size, 3)
    array = np.lib.format.open_memmap(unfinished, mode="w+", dtype=np.uint8, shape=shape)
    blocks = [range(start, min(start + BLOCK, count)) for start in range(0, count, BLOCK)]
    with ProcessPoolExecutor(os.cpu_count(), mp_context=get_context("spawn")) as pool:
        for block, drawn in zip(blocks, pool.map(partial(_draw_block, size), blocks), strict=True):
            array[block.start : block.stop] = drawn
    array.flush()
    unfinished.replace(path)
