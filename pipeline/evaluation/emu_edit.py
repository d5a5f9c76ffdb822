"""Emu Edit's test set (HF facebook/emu_edit_test_set): seven tasks, with captions before and after.

Layout: Parquet files, `data/<split>-*.parquet`, with image, input_caption, output_caption, task,
idx, split. The generations' set has the sizes of its two splits swapped; the split is the file's.
Give one split's folder or file as --data, or all are read.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from pipeline.errors import UsageError
from pipeline.evaluation import _measures as measures
from pipeline.evaluation._protocol import Column, Protocol
from pipeline.evaluation._record import Place, Record
from pipeline.metrics._networks.network import clip_network, dino_network

TEXTS = ("input_caption", "output_caption", "task", "idx")


def records(place: Place) -> Iterator[Record]:
    """File by file. Raises UsageError where a column lacks."""
    for path in _files(place):
        parquet = pq.ParquetFile(path)
        lacking = {"image", *TEXTS} - set(parquet.schema_arrow.names)
        if lacking:
            raise UsageError(f"{path}: no column {', '.join(sorted(lacking))}")
        for group in range(parquet.num_row_groups):
            rows = parquet.read_row_group(group, columns=list(TEXTS)).to_pylist()
            for number, row in enumerate(rows):
                yield _record(path, group, number, row)


def _files(place: Place) -> list[Path]:
    if place.data is not None and place.data.is_file():
        return [place.data]
    folder = place.folder
    found = sorted([*folder.glob("*.parquet"), *folder.glob("data/*.parquet")])
    if not found:
        raise UsageError(f"--data: {folder}: no *.parquet there")
    return found


def _record(path: Path, group: int, number: int, row: dict[str, Any]) -> Record:
    return Record(
        id=f"{path.stem}-{group}-{number}",
        source=partial(_picture, path, group, number),
        source_prompt=row["input_caption"] or "",
        target_prompt=row["output_caption"] or "",
        group=row["task"] or "",
        meta={"path": f"{row['idx']}.png"},
    )


def _picture(path: Path, group: int, number: int) -> bytes | None:
    cell = _pictures(path, group)[number]
    data: bytes | None = cell["bytes"] if cell else None
    return data


@lru_cache(maxsize=2)
def _pictures(path: Path, group: int) -> list[Any]:
    """A row group's: neighbours are read one after the other."""
    cells: list[Any] = pq.ParquetFile(path).read_row_group(group, ["image"])["image"].to_pylist()
    return cells


PROTOCOL = Protocol(
    status="backbone unpublished",
    about="Emu Edit: the edit like its caption, the picture kept, by captions alone.",
    records=records,
    columns=(
        Column(
            "clip_dir",
            measures.clip_direction,
            "cosine of the pictures' and the captions' change",
            needs="clip",
        ),
        Column("clip_im", measures.clip_image("source"), "cosine of edit and source", needs="clip"),
        Column("clip_out", measures.clip_text, "cosine of edit and its caption", needs="clip"),
        Column("l1", measures.each(measures.mean_error(1, "source")), "to the source", "lower"),
        Column("dino", measures.dino_image("source"), "CLS cosine with the source", needs="dino"),
    ),
    comparable="CLIP and DINO are those of the paper, which names no checkpoint, and the whole "
    "split is edited; its captions were made by a machine, some say the same twice.",
    ranked_by="clip_dir",
    networks={
        "clip": clip_network("openai/clip-vit-base-patch32"),
        "dino": dino_network("facebook/dino-vits16"),
    },
)
