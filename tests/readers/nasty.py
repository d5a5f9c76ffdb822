"""Outputs with what breaks readers in them: see `OUTPUTS`. Knows no reader."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from pipeline.rows import result_schema
from pipeline.sinks.layout import sample_id
from pipeline.sinks.output import Output, existing_output
from pipeline.sinks.part import write_part
from pipeline.sinks.publish import describe, publish
from tests.sinks.tables import died, edited, made, picture, rejected, run_config

KINDS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "JPEG2000", "PPM")
KEYS = (
    "IMG_1",
    "img_1",  # a file system may fold case
    "橙麻皿赤絵",
    "茶木瓶紺本",
    "long " * 40,
    "long " * 40 + "!",
    "a.b/c.train.png",
    "__hidden",
    "مرحبا 'quoted' \"twice\"",
    "-rf",
)
SHARDS = ("train-00000.tar", "test/val.tar")
EDITS = ("blue", "to:grün")
SCORES = ("background_psnr", "edit_change")
OTHER = ("edit_change", "texture_kept")

Row = dict[str, Any]


@dataclass(frozen=True)
class Made:
    """An output and what must be read of it."""

    path: Path
    edits: dict[str, Row]  # by id
    dead: dict[str, Row]
    rejected: dict[str, Row] = field(default_factory=dict)

    @property
    def output(self) -> Output:
        return existing_output(str(self.path))


def make(path: Path, place: str, scores: Sequence[str] = SCORES, **output: Any) -> Made:
    """Two shards of ten images with two edits each, in two chunks a shard; in each shard one
    dies and one is rejected.

    The first shard has no caption and no other columns, the later one has both; every picture is
    of another format than the one before.
    """
    config = run_config(
        str(path), input={"path": place}, check={"scores": scores}, output=output, run={"seed": 7}
    )
    opened = made(config)
    describe(opened)
    edits: dict[str, Row] = {}
    dead: dict[str, Row] = {}
    outside: dict[str, Row] = {}
    for number, shard in enumerate(SHARDS):
        for chunk in range(2):
            rows = [row for i in range(5) for row in _image(shard, number, chunk, 5 * chunk + i)]
            rows = [{**row, "last": chunk == 1} for row in rows]
            table = pa.Table.from_pylist(rows, schema=result_schema(scores))
            write_part(opened, table)
            for row in rows:
                name = sample_id(opened.run, row["shard"], row["key"], row["edit"])
                kinds = {None: edits, "rejected": outside}
                kinds.get(row["error_kind"], dead)[name] = row
    publish(opened)
    return Made(path, edits, dead, outside)


def _image(shard: str, number: int, chunk: int, ordinal: int) -> list[Row]:
    late = number == 1
    colour = (20 * ordinal, 100, 200 * number)
    kind = KINDS[(ordinal + number) % len(KINDS)]
    # Beyond what a writer of Parquet takes into a dictionary by itself; decoders stop before it.
    padding = bytes(range(256)) * 8192 if ordinal == 9 and kind == "PNG" else b""
    here: Row = {
        "key": KEYS[ordinal],
        "planned": 2,
        "image": picture(colour, kind=kind) + padding,
        "edited": picture(colour[::-1], kind=kind if kind in ("JPEG", "WEBP") else "PNG"),
        "caption": f"a mug, number {ordinal} «ü»" if late else None,
        "columns": json.dumps({"sku": ordinal, "note": "late" if late else None}) if late else None,
        "encoding_ratio": 0.8 if ordinal % 2 else 0.7,
        "seed": 2**53 - 1 - ordinal,
        "score_texture_kept": 0.5,
        "error_kind": None,
    }
    rows = [edited(shard, chunk, ordinal, edit, **here) for edit in EDITS]
    if ordinal == 4:
        rows[1] = rejected(rows[1])
    if ordinal == 3:
        rows[1] = died({**rows[1], "image": b"not a picture"}, "edit", "undecodable")
    return rows
