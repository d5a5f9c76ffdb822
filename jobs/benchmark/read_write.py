"""Reading and writing without a model, against img2dataset and a bare webdataset loop.

Figures are rows for each second of CPU, of all threads and processes together, so that a busy
machine slows nobody. Start-up is left out. What each writes differs, and the table says it.
"""

from __future__ import annotations

import os
import resource
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import webdataset
from pyroaring import BitMap

from jobs.benchmark.runs import drawn, go, shards, stand_in
from jobs.benchmark.standin import Config as StandIn
from pipeline.engine.todo import read
from pipeline.section import build

PER_SHARD = 64
OURS = "ours: decode, encode edit and mask as PNG, write Parquet and tar"
LOOP = "webdataset loop: decode, encode as PNG, write tar"
IMG2DATASET = "img2dataset: decode, resize, encode as JPEG, write tar"


def measure(images: int, side: int, img2dataset: str) -> dict[str, Any]:
    """The table. `img2dataset` is its command, in an environment of its own; "": left out."""
    with tempfile.TemporaryDirectory(prefix="diffedit-") as name:
        folder, pictures = Path(name), drawn(32, side)
        source = shards(folder / "in", pictures, images, PER_SHARD)
        config = stand_in(source, folder / "out", StandIn(), run={"chunk_rows": 32})
        _ours(config.model_copy(update={"output": _elsewhere(config, folder / "warm")}))
        rows = [
            _row("ours: read alone", images, _cpu(lambda: _read(config))),
            _row(OURS, images, _cpu(lambda: _ours(config))),
            _row(LOOP, images, _cpu(lambda: _loop(source, folder / "loop.tar"))),
            _theirs(folder, pictures, images, side, img2dataset),
        ]
    _, ours, loop, theirs = (row["rows/s a core"] for row in rows)
    return {
        "rows": rows,
        "ratio to the loop": ours / loop,
        "ratio to img2dataset": ours / theirs if theirs else None,
        "side of the JPEGs read": side,
    }


def _elsewhere(config: Any, path: Path) -> Any:
    return config.output.model_copy(update={"path": str(path), "image_format": "png"})


def _ours(config: Any) -> None:
    go(config, local=True)


def _read(config: Any) -> None:
    for shard in build(config.input).listing().shards:
        for _ in read(config, shard, BitMap()):
            pass


def _loop(source: Path, out: Path) -> None:
    tars = sorted(str(path) for path in source.glob("*.tar"))
    with webdataset.TarWriter(str(out)) as writer:
        for sample in webdataset.WebDataset(tars, shardshuffle=False).decode("pil"):
            row = {"__key__": sample["__key__"], "png": sample["jpg"], "txt": sample["txt"]}
            writer.write(row)


def _theirs(
    folder: Path, pictures: list[bytes], images: int, side: int, command: str
) -> dict[str, Any]:
    if not command:
        return _row(f"{IMG2DATASET} (not measured: give --img2dataset)", 0, 0)
    urls = []
    for number, picture in enumerate(pictures):
        (folder / f"{number}.jpg").write_bytes(picture)
        urls.append((folder / f"{number}.jpg").as_uri())
    many = 4 * images
    spent = [
        _img2dataset(folder, [urls[i % len(urls)] for i in range(count)], side, command)
        for count in (images, many)
    ]
    # The difference of two lengths leaves its start-up out.
    return _row(IMG2DATASET, many - images, spent[1] - spent[0])


def _img2dataset(folder: Path, urls: list[str], side: int, command: str) -> float:
    """CPU seconds of it and its workers."""
    listed = folder / f"{len(urls)}.txt"
    listed.write_text("\n".join(urls))
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    arguments = {
        "url_list": str(listed),
        "output_folder": str(folder / f"img2dataset-{len(urls)}"),
        "output_format": "webdataset",
        "image_size": str(side // 2),
        "processes_count": "1",
        "thread_count": "4",
        "number_sample_per_shard": str(PER_SHARD),
    }
    subprocess.run(  # noqa: S603 (a command that the user named)
        [command, *(f"--{name}={value}" for name, value in arguments.items())],
        check=True,
        capture_output=True,
        env={**os.environ, "NO_ALBUMENTATIONS_UPDATE": "1", "PYTHONPATH": ""},
    )
    written = sum(1 for _ in Path(arguments["output_folder"]).glob("*.tar"))
    assert written == -(-len(urls) // PER_SHARD), "img2dataset did not write every shard"
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _cpu(work: Callable[[], None]) -> float:
    """CPU seconds of all threads of this process."""
    start = time.process_time()
    work()
    return time.process_time() - start


def _row(what: str, rows: int, seconds: float) -> dict[str, Any]:
    rate = rows / seconds if seconds else None
    return {"what": what, "rows": rows, "CPU s": seconds, "rows/s a core": rate}
