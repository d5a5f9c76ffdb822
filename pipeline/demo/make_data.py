"""Writes scenes as a captioned dataset, and the ground truth beside it. Knows no model.

The dataset is what a user might bring: photos, captions, a few columns. The truth goes to a folder
of its own, `<out>-truth`, which the pipeline never reads.
"""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from pipeline.demo.photos import HELD_OUT
from pipeline.demo.scenes import COLOURS, OBJECTS, PLACES, Scene, Size

Format = Literal["webdataset", "parquet", "folder"]
Row = tuple[str, bytes, str, dict[str, Any]]
"""key, PNG, caption, columns."""


def planned_edits(scene: Scene, seed: int) -> dict[str, Scene]:
    """One other colour, one other object and one other background: name → true counterfactual."""
    rng = np.random.default_rng([seed, 1])
    thing = scene.thing
    colour = rng.choice([c for c in COLOURS if c != thing.colour])
    object_ = rng.choice([o for o in OBJECTS if o != thing.object])
    background = rng.choice([b for b in PLACES if b != scene.background])
    return {
        "colour": scene.edited(colour=str(colour)),
        "object": scene.edited(object=str(object_)),
        "background": scene.edited(background=str(background)),
    }


def make_data(
    out: Path,
    rows: int,
    format: Format,
    *,
    seed: int = HELD_OUT,
    rows_per_shard: int = 16,
    size: Size = 128,
) -> Path:
    """Writes `rows` scenes from `seed` on to `out`, and returns the folder with their truth.

    Columns: object, colour, material, background, and for each planned edit its caption as
    to_colour, to_object, to_background. Raises ValueError for an unknown format, no rows, or an
    `out` that already holds something.
    """
    if format not in WRITERS:
        raise ValueError(f"format {format!r} is none of {', '.join(WRITERS)}")
    if rows < 1 or rows_per_shard < 1:
        raise ValueError("rows and rows_per_shard must be at least 1")
    if out.exists() and any(out.iterdir()):
        raise ValueError(f"{out} is not empty; give a new folder or remove it first")
    truth = out.with_name(out.name + "-truth")
    out.mkdir(parents=True, exist_ok=True)
    truth.mkdir(exist_ok=True)
    for shard, start in enumerate(range(0, rows, rows_per_shard)):
        seeds = range(seed + start, seed + min(start + rows_per_shard, rows))
        WRITERS[format](out, shard, [_row(number, size) for number in seeds])
        for number in seeds:
            _write_truth(truth, number, size)
    return truth


def _key(seed: int) -> str:
    return f"{seed:08}"


def _row(seed: int, size: Size) -> Row:
    scene = Scene.draw(seed)
    columns = {
        "object": scene.thing.object,
        "colour": scene.thing.colour,
        "material": scene.thing.material,
        "background": scene.background,
    }
    for name, counterfactual in planned_edits(scene, seed).items():
        columns[f"to_{name}"] = counterfactual.caption
    return _key(seed), _png(scene.render(size)), scene.caption, columns


def _png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def _write_truth(truth: Path, seed: int, size: Size) -> None:
    """KEY.mask.png, KEY.EDIT.png for each planned edit, and KEY.json with what they show."""
    scene, key = Scene.draw(seed), _key(seed)
    edits = planned_edits(scene, seed)
    mask = Image.fromarray(scene.mask(size).astype(np.uint8) * 255)
    mask.save(truth / f"{key}.mask.png")
    for name, counterfactual in edits.items():
        counterfactual.render(size).save(truth / f"{key}.{name}.png")
    record = {
        "key": key,
        "seed": seed,
        "caption": scene.caption,
        "edits": {name: {"caption": edit.caption} for name, edit in edits.items()},
    }
    (truth / f"{key}.json").write_text(json.dumps(record, indent=1) + "\n")


def _write_webdataset(out: Path, shard: int, rows: Sequence[Row]) -> None:
    with tarfile.open(out / f"shard-{shard:05}.tar", "w") as tar:
        for key, png, caption, columns in rows:
            members = {"png": png, "txt": caption.encode(), "json": json.dumps(columns).encode()}
            for ending, data in members.items():
                info = tarfile.TarInfo(f"{key}.{ending}")
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))


def _write_parquet(out: Path, shard: int, rows: Sequence[Row]) -> None:
    records = [
        {"key": key, "image": {"bytes": png, "path": f"{key}.png"}, "caption": caption, **columns}
        for key, png, caption, columns in rows
    ]
    pq.write_table(pa.Table.from_pylist(records), out / f"part-{shard:05}.parquet")


def _write_folder(out: Path, shard: int, rows: Sequence[Row]) -> None:
    folder = out / f"{shard:05}"
    folder.mkdir()
    with (folder / "metadata.jsonl").open("w") as table:
        for key, png, caption, columns in rows:
            (folder / f"{key}.png").write_bytes(png)
            record = {"file_name": f"{key}.png", "caption": caption, **columns}
            table.write(json.dumps(record) + "\n")


WRITERS: dict[str, Callable[[Path, int, Sequence[Row]], None]] = {
    "webdataset": _write_webdataset,
    "parquet": _write_parquet,
    "folder": _write_folder,
}
