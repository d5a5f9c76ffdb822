"""Small result tables, as the stages would hand them to the writer."""

from __future__ import annotations

from functools import cache
from io import BytesIO
from typing import Any

import pyarrow as pa
from PIL import Image

from pipeline import config_file
from pipeline.config import RunConfig
from pipeline.rows import SOURCE, conform, result_schema
from pipeline.sinks.output import Output, begin, open_output

SCORES = ("background_psnr", "edit_change")
SCHEMA = result_schema(SCORES)


def run_config(path: str, **sections: Any) -> RunConfig:
    """A config that writes to `path`; only its output and settings matter here."""
    raw: dict[str, Any] = {
        "input": {"type": "webdataset", "path": "unread"},
        "prompts": {"type": "recolor"},
        "model": {"type": "stable_diffusion"},
        "output": {"path": path},
        "run": {"chunk_rows": 4},
    }
    for name, section in sections.items():
        raw[name] = {**raw.get(name, {}), **section}
    return config_file.parse(raw)


def made(config: RunConfig, model: dict[str, str] | None = None) -> Output:
    """The config's output, begun."""
    return begin(open_output(config, model))


@cache
def picture(color: tuple[int, int, int], mode: str = "RGB", kind: str = "PNG") -> bytes:
    """An encoded picture of 8×8 pixels."""
    sink = BytesIO()
    Image.new("RGB", (8, 8), color).convert(mode).save(sink, kind)
    return sink.getvalue()


def edited(shard: str, chunk: int, ordinal: int, edit: str, **more: Any) -> dict[str, Any]:
    """A row that went well."""
    return {
        "shard": shard,
        "shard_version": "v1",
        "chunk": chunk,
        "last": False,
        "ordinal": ordinal,
        "key": f"img.{ordinal}",
        "image": picture((ordinal % 256, 0, 0), kind="JPEG"),
        "caption": "a red mug",
        "columns": '{"sku": "A-1"}',
        "planned": 1,
        "edit": edit,
        "source_prompt": "a red mug",
        "target_prompt": f"a {edit} mug",
        "mask_strength": 0.5,
        "encoding_ratio": 0.7,
        "guidance_scale": 7.5,
        "seed": 11,
        "edited": picture((0, ordinal % 256, 0)),
        "mask": picture((255, 255, 255), mode="L"),
        "width": 8,
        "height": 8,
        "mask_area": 1.0,
        "mask_state": "full",
        "model": "tiny",
        "weights": "ab12",
        "score_background_psnr": 100.0,
        "score_edit_change": 3.0,
        **more,
    }


def died(row: dict[str, Any], stage: str = "edit", kind: str = "nan") -> dict[str, Any]:
    """The same planned edit, failed."""
    gone = {"edited": None, "mask": None, "mask_area": None, "mask_state": None}
    error = {"error_stage": stage, "error_kind": kind, "error_message": f"{kind}: it failed"}
    return {**row, **gone, **error}


def rejected(row: dict[str, Any], least: float = 5) -> dict[str, Any]:
    """The same planned edit, made, and outside of a bound on `edit_change`."""
    reason = f"check.keep.edit_change: {row['score_edit_change']:.4g} is below {least:g}"
    return {**row, "error_stage": "check", "error_kind": "rejected", "error_message": reason}


def passed(row: dict[str, Any]) -> dict[str, Any]:
    """The same image with nothing planned for it."""
    kept = {field.name: row.get(field.name) for field in SOURCE}
    return {**kept, "planned": 0}


def table(rows: list[dict[str, Any]]) -> pa.Table:
    """A result table of rows that may lack columns."""
    names = {name for row in rows for name in row}
    schema = pa.schema([field for field in SCHEMA if field.name in names])
    return conform(pa.Table.from_pylist(rows, schema=schema), SCHEMA)


def chunk_table(shard: str, chunk: int, last: bool = False, version: str = "v1") -> pa.Table:
    """Four images: two with two edits each (one of them dead), one passed, one dead as a whole."""
    here = {"last": last, "shard_version": version}
    rows = [
        edited(shard, chunk, chunk * 4, "blue", planned=2, **here),
        edited(shard, chunk, chunk * 4, "green", planned=2, **here),
        edited(shard, chunk, chunk * 4 + 1, "blue", planned=2, **here),
        died(edited(shard, chunk, chunk * 4 + 1, "green", planned=2, **here)),
        passed(edited(shard, chunk, chunk * 4 + 2, "blue", **here)),
        _unread(shard, chunk, chunk * 4 + 3, here),
    ]
    return table(rows)


def _unread(shard: str, chunk: int, ordinal: int, here: dict[str, Any]) -> dict[str, Any]:
    row = passed(edited(shard, chunk, ordinal, "blue", **here))
    return died({**row, "image": b"not a picture", "planned": 1}, "edit", "undecodable")
