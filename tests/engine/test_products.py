"""All photos of one product end in one colour, wherever and however lit they were taken."""

from __future__ import annotations

import io
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from skimage.color import deltaE_ciede2000, rgb2lab

from pipeline.config_file import parse
from pipeline.demo.scenes import Scene
from pipeline.engine.run import run
from pipeline.images.light import rgb_of


def photo(seed: int, colour: str) -> bytes:
    scene = replace(Scene.draw(seed).edited(object="mug", colour=colour), companion=None)
    sink = io.BytesIO()
    scene.render(128).save(sink, "PNG")
    return sink.getvalue()


def test_photos_of_one_product_end_in_one_colour(tmp_path: Path) -> None:
    of_products = {"M1": ("red", [11, 12, 14]), "M2": ("yellow", [21, 23, 24])}
    rows = [
        {"image": photo(seed, colour), "title": f"a {colour} mug", "sku": sku}
        for sku, (colour, seeds) in of_products.items()
        for seed in seeds
    ]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "feed.parquet")
    config = {
        "input": {"type": "parquet", "path": str(tmp_path / "feed.parquet"), "caption": "title"},
        "prompts": {
            "type": "recolor",
            "colours": ["blue", {"name": "sage", "hex": "#9caf88"}],
            "product": "sku",
            "one_mask": True,
        },
        "model": {"type": "stable_diffusion", "path": "demo"},
        "mask": {"noise_maps": 2},
        "edit": {"steps": 12, "paste_back": "recolor"},
        "check": {"scores": ["delta_e_colour"]},
        "output": {"path": str(tmp_path / "out"), "formats": ["parquet"]},
    }
    tally = run(parse(config), local=True, verbose=False, watch=lambda _: None)
    assert tally.written == 12
    names = [
        "edit",
        "colour",
        "reached",
        "columns",
        "encoding_ratio",
        "guidance_scale",
        "mask_prompt",
    ]
    files = sorted((tmp_path / "out" / "edits").glob("*.parquet"))
    made = [row for file in files for row in pq.read_table(file, columns=names).to_pylist()]
    for sku in of_products:
        for edit, colour in (("blue", "#0000ff"), ("sage", "#9caf88")):
            mine = [r for r in made if r["edit"] == edit and sku in r["columns"]]
            assert len(mine) == 3 and {r["colour"] for r in mine} == {colour}
            for one, other in combinations([r["reached"] for r in mine], 2):
                assert delta_e(one, other) < 2
    # Only its mask was asked of the model, one for both colours.
    assert all(r["encoding_ratio"] is None and r["guidance_scale"] is None for r in made)
    assert {r["mask_prompt"] for r in made} == {"a blue mug"}


def delta_e(one: str, other: str) -> float:
    return float(deltaE_ciede2000(*(rgb2lab(np.asarray(rgb_of(c)) / 255) for c in (one, other))))
