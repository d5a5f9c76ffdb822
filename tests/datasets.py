"""Small captioned datasets for tests, with rows that must fail among them. Knows no test."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

Row = tuple[str, bytes, str]


def photo(seed: int, size: tuple[int, int] = (64, 64)) -> bytes:
    """A PNG of coloured noise blocks."""
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 256, (8, 8, 3), np.uint8)
    sink = io.BytesIO()
    Image.fromarray(small).resize(size, Image.Resampling.BICUBIC).save(sink, "PNG")
    return sink.getvalue()


def rows(count: int, start: int = 0) -> list[Row]:
    """Good rows of two sizes; every seventh picture is none, every ninth caption has no colour."""
    made = []
    for i in range(start, start + count):
        image = b"not a picture" if i % 7 == 6 else photo(i, (64, 64) if i % 2 else (96, 64))
        caption = "a mug" if i % 9 == 8 else f"a {'green' if i % 2 else 'yellow'} mug"
        made.append((f"{i:05d}", image, caption))
    return made


def write_tar(path: Path, members: Sequence[Row]) -> Path:
    """A WebDataset shard."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as tar:
        for key, image, caption in members:
            for name, data in ((f"{key}.png", image), (f"{key}.txt", caption.encode())):
                member = tarfile.TarInfo(name)
                member.size = len(data)
                tar.addfile(member, io.BytesIO(data))
    return path


def catalogue(folder: Path, shards: int = 2, per_shard: int = 9) -> Path:
    """`shards` tars of `per_shard` rows."""
    for s in range(shards):
        write_tar(folder / f"shard-{s:02d}.tar", rows(per_shard, s * per_shard))
    return folder


def settings(source: Path | str, output: Path | str, model: Path | str, /, **more: Any) -> Any:
    """A quick config that recolours `source`; `more` replaces or adds sections."""
    from pipeline.config_file import parse

    raw: dict[str, Any] = {
        "input": {"type": "webdataset", "path": str(source)},
        "output": {"path": str(output)},
        "prompts": {"type": "recolor", "colours": ["red", "blue"]},
        "model": {"type": "stable_diffusion", "path": str(model)},
        "mask": {"noise_maps": 2, "threshold": 0.35},
        "edit": {"steps": 4},
        "run": {"chunk_rows": 4, "cpus_per_actor": 1, "max_dead_share": 0.9},
    }
    for name, section in more.items():
        raw[name] = {**raw.get(name, {}), **section}
    return parse(raw)
