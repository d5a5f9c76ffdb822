"""Makes small outputs to report on, through the writer that a run uses."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from PIL import Image

from pipeline import config_file
from pipeline.rows import Spent, result_schema
from pipeline.sinks.output import Output
from pipeline.sinks.part import write_part
from pipeline.storage import Storage
from tests.sinks.tables import made

Row = dict[str, Any]


def png(colour: tuple[int, int, int] | int, size: tuple[int, int] = (48, 32)) -> bytes:
    """A picture of one colour; of a number, a mask whose middle has that value."""
    mode = "L" if isinstance(colour, int) else "RGB"
    picture = Image.new(mode, size, colour if mode == "RGB" else 0)
    if mode == "L":
        picture.paste(colour, (12, 8, 36, 24))
    return encoded(picture)


def noise(seed: int, side: int = 256) -> bytes:
    """A picture that compresses worst."""
    pixels = np.random.default_rng(seed).integers(0, 256, (side, side, 3)).astype(np.uint8)
    return encoded(Image.fromarray(pixels))


def encoded(picture: Image.Image) -> bytes:
    """`picture` as PNG."""
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()


def edit(number: int, **changes: Any) -> Row:
    """An edited row: the only one of its image."""
    return {
        "shard": "a.tar",
        "shard_version": "1",
        "ordinal": number,
        "key": f"{number:06d}",
        "image": png((200, 30, 40)),
        "caption": f"a red mug {number}",
        "planned": 1,
        "edit": "red-to-blue",
        "source_prompt": f"a red mug {number}",
        "target_prompt": f"a blue mug {number}",
        "edited": png((30, 40, 200)),
        "mask": png(255),
        "mask_area": 0.25 + number / 1000,
        "mask_state": "partial",
        "score_background_psnr": 30.0 + number,
        "score_edit_change": 40.0 - number,
        **changes,
    }


def dead(number: int, kind: str = "undecodable", stage: str = "edit", **changes: Any) -> Row:
    """A dead letter: the only one of its image."""
    nothing = dict.fromkeys(["edit", "edited", "mask", "mask_area", "mask_state", "target_prompt"])
    error = {"error_stage": stage, "error_kind": kind, "error_message": f"{kind}: {number}"}
    return {**edit(number), **nothing, **error, **changes}


def passed(number: int) -> Row:
    """A row that nothing was planned for."""
    return {**dead(number), "planned": 0, "error_stage": None, "error_kind": None}


def write_output(
    path: Path | str,
    chunks: list[list[Row]],
    last: bool = True,
    storage: Storage | None = None,
    spent: Spent | None = None,
) -> Output:
    """The output of one shard; each chunk is a list of result rows; `last` tells its end."""
    place = {"path": str(path), "storage": storage or Storage(), "formats": ["parquet"]}
    output = made(
        config_file.parse(
            {
                "input": {"type": "webdataset", "path": "in"},
                "output": place,
                "prompts": {"type": "recolor"},
                "model": {"type": "stable_diffusion", "path": "demo"},
            }
        ),
        {"model": "demo", "weights": "0123abcd"},
    )
    schema = result_schema(["background_psnr", "edit_change"])
    for number, rows in enumerate(chunks):
        chunk = {"chunk": number, "last": last and number == len(chunks) - 1}
        table = pa.Table.from_pylist([{**row, **chunk} for row in rows], schema)
        write_part(output, (spent or Spent()).noted(table))
    return output
