"""Makes small outputs to report on, in the layout that a run writes."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from fsspec.implementations.local import LocalFileSystem
from PIL import Image

from pipeline.rows import result_schema

FS = LocalFileSystem()
SCORES = ["background_psnr", "edit_change"]
RUN = {"fingerprint": "0123456789abcdef", "model": {"id": "demo"}, "settings": {"run": {"seed": 0}}}


def png(colour: tuple[int, int, int] | int, size: tuple[int, int] = (48, 32)) -> bytes:
    mode = "L" if isinstance(colour, int) else "RGB"
    picture = Image.new(mode, size, colour if mode == "RGB" else 0)
    if mode == "L":
        picture.paste(colour, (12, 8, 36, 24))
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()


def edit(number: int, **changes: Any) -> dict[str, Any]:
    """An edited row."""
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


def dead(number: int, kind: str = "undecodable", stage: str = "edit", **changes: Any) -> Any:
    """A dead letter."""
    nothing = dict.fromkeys(["edit", "edited", "mask", "mask_area", "mask_state", "target_prompt"])
    error = {"error_stage": stage, "error_kind": kind, "error_message": f"{kind}: {number}"}
    return {**edit(number), **nothing, **error, **changes}


def write_output(root: Path, chunks: list[list[dict[str, Any]]], last: bool = True) -> str:
    """An output folder of one shard; each chunk is a list of result rows."""
    (root / "commits" / "a-1234").mkdir(parents=True)
    (root / "run.json").write_text(json.dumps(RUN))
    for number, rows in enumerate(chunks):
        write_chunk(root, number, rows, last and number == len(chunks) - 1)
    return str(root)


def write_chunk(root: Path, number: int, rows: list[dict[str, Any]], last: bool) -> None:
    schema = result_schema(SCORES)
    living = [row for row in rows if row.get("error_kind") is None]
    failed = [row for row in rows if row.get("error_kind") is not None]
    files = []
    for folder, some in [("edits", living), ("dead", failed)]:
        if some:
            path = f"{folder}/a-1234-{number:05d}.parquet"
            (root / folder).mkdir(exist_ok=True)
            table = pa.Table.from_pylist(some, schema)
            pq.write_table(_as_hf(table) if folder == "edits" else table, root / path)
            files.append({"path": path})
    record = {
        "rows": len({row["key"] for row in rows}),
        "planned": len(rows),
        "written": len(living),
        "dead": len(failed),
        "passed": 0,
        "last": last,
        "files": files,
    }
    name = f"{number:05d}-1{'-last' if last else ''}.json"
    (root / "commits" / "a-1234" / name).write_text(json.dumps(record))


def _as_hf(table: pa.Table) -> pa.Table:
    for column, name in [("image", "source"), ("edited", "edited"), ("mask", "mask")]:
        pictures = [{"bytes": value, "path": None} for value in table[column].to_pylist()]
        kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
        table = table.drop_columns([column]).append_column(name, pa.array(pictures, kind))
    return table


def noise(seed: int, side: int = 256) -> bytes:
    """A picture that compresses worst."""
    pixels = np.random.default_rng(seed).integers(0, 256, (side, side, 3)).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()
