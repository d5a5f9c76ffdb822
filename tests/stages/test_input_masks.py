"""Masks of the input through a run: what is edited, what is not, what it costs, what is kept."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from pipeline.diffusion import diffedit as module
from pipeline.engine.estimate import estimate
from pipeline.engine.replay import replay
from pipeline.engine.run import run
from pipeline.images.decode import decode
from pipeline.sinks.commits import read_commits
from pipeline.sinks.output import existing_output
from tests.datasets import photo, settings

SIZE = (96, 64)
COLOURS = ["red", "blue"]


def png(plane: Any) -> bytes:
    sink = io.BytesIO()
    Image.fromarray(plane).save(sink, "PNG")
    return sink.getvalue()


def box(top: int, left: int, height: int, width: int) -> Any:
    plane = np.zeros(SIZE[::-1], np.uint8)
    plane[top : top + height, left : left + width] = 255
    return plane


def jpeg(seed: int) -> bytes:
    sink = io.BytesIO()
    Image.open(io.BytesIO(photo(seed, SIZE))).save(sink, "JPEG", quality=92)
    return sink.getvalue()


MASK, LOGO = box(8, 8, 40, 60), box(20, 20, 12, 18)


def config(folder: Path, model: Path, rows: list[dict[str, Any]], **more: Any) -> Any:
    (folder / "in").mkdir(parents=True)
    kinds = {"image": pa.binary(), "m": pa.binary(), "p": pa.binary(), "caption": pa.string()}
    made = [{"caption": "a green mug", **row} for row in rows]
    pq.write_table(pa.Table.from_pylist(made, pa.schema(kinds)), folder / "in" / "a.parquet")
    source = {"type": "parquet", "path": str(folder / "in"), "mask": "m", "protect": "p"}
    return settings(
        folder / "in", folder / "out", model, input=source, prompts={"colours": COLOURS}, **more
    )


def edits(folder: Path) -> list[dict[str, Any]]:
    files = sorted((folder / "out" / "edits").glob("*.parquet"))
    return [row for file in files for row in pq.read_table(file).to_pylist()]


def local(made: Any) -> None:
    run(made, local=True, verbose=False, watch=lambda _: None)


@pytest.mark.parametrize("paste_back", ["feather", "recolor", "none"])
@pytest.mark.parametrize("source", [photo(1, SIZE), jpeg(1)], ids=["png", "jpeg"])
def test_a_protected_pixel_is_the_source_s(
    tmp_path: Path, tiny_model: Path, paste_back: str, source: bytes
) -> None:
    row = {"image": source, "m": png(MASK), "p": png(LOGO)}
    local(config(tmp_path, tiny_model, [row], edit={"paste_back": paste_back}))
    made = edits(tmp_path)
    assert [row["edit"] for row in made] == COLOURS
    before = decode(source, 10**6).rgb
    for row in made:
        after = decode(row["edited"]["bytes"], 10**6).rgb
        mask = np.asarray(Image.open(io.BytesIO(row["mask"]["bytes"])))
        assert np.array_equal(after[LOGO > 0], before[LOGO > 0])
        assert (after != before).any() and row["mask_from"] == "input"
        assert not mask[LOGO > 0].any() and (mask[MASK > 0] > 0).any()
        if paste_back != "none":
            assert np.array_equal(after[mask == 0], before[mask == 0])
        assert {"input_mask", "input_protect"}.isdisjoint(row)


def test_a_mask_that_is_given_costs_nothing_to_find(
    tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spent: list[int] = []
    inner = module.diffedit

    def counted(*given: Any, **more: Any) -> Any:
        result = inner(*given, **more)
        spent.append(result.cost.evaluations)
        return result

    monkeypatch.setattr("pipeline.stages.edit.diffedit", counted)
    everywhere = np.full(SIZE[::-1], 255, np.uint8)
    rows = [{"image": photo(i, SIZE), "m": png(m)} for i, m in enumerate((MASK, everywhere))]
    made = config(tmp_path, tiny_model, rows, mask={"strength": 0.5})
    told = estimate(made)
    local(made)
    # 3 levels down, and 3 up for each colour, of which the first is guided.
    assert sum(spent) == told.evaluations == 2 * (3 + 2 * (3 + 1)) and told.exact
    states = {(row["key"], row["mask_state"]) for row in edits(tmp_path)}
    assert states == {("00000000", "partial"), ("00000001", "full")}


def test_a_mask_that_limits_and_one_that_is_not_there(tmp_path: Path, tiny_model: Path) -> None:
    rows = [{"image": photo(1, SIZE), "m": png(MASK)}, {"image": photo(2, SIZE), "m": None}]
    local(config(tmp_path, tiny_model, rows, mask={"given": "intersect", "threshold": 0.1}))
    for row in edits(tmp_path):
        mask = np.asarray(Image.open(io.BytesIO(row["mask"]["bytes"])))
        limited = row["key"] == "00000000"
        assert row["mask_from"] == ("both" if limited else "model")
        assert not mask[MASK == 0].any() or not limited


def test_what_cannot_serve_is_a_dead_letter_that_keeps_it(tmp_path: Path, tiny_model: Path) -> None:
    odd = png(np.zeros((64, 64), np.uint8))
    rows = [
        {"image": photo(1, SIZE), "m": b"no picture"},
        {"image": photo(2, SIZE), "p": odd},
        {"image": photo(3, SIZE), "m": png(MASK)},
    ]
    local(config(tmp_path, tiny_model, rows))
    files = (tmp_path / "out" / "dead").glob("*.parquet")
    dead = [row for file in files for row in pq.read_table(file).to_pylist()]
    assert [(d["key"], d["error_kind"]) for d in dead] == [
        *[("00000000", "bad_mask")] * 2,
        *[("00000001", "bad_mask")] * 2,
    ]
    assert dead[0]["input_mask"] == b"no picture" and dead[2]["input_protect"] == odd
    assert len(edits(tmp_path)) == 2
    # Nothing was mended, so they die again of the same.
    replay(str(tmp_path / "out"), None, [], [], lambda _: None)
    kinds = [c.dead_by_kind for c in read_commits(existing_output(str(tmp_path / "out")))]
    assert {"edit/bad_mask": 4} in kinds
