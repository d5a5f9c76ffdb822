"""The scenes through the ordinary pipeline, and beside PIE-Bench where both measure the same."""

from __future__ import annotations

import math
from itertools import islice

import numpy as np
import pytest

from pipeline.errors import UsageError
from pipeline.evaluation import _measures as measures
from pipeline.evaluation import pie_bench, scenes
from pipeline.evaluation._edits import Edit, Edits
from pipeline.evaluation._protocol import Item
from pipeline.evaluation._record import Place, seen
from pipeline.evaluation._score import _item, score
from tests.evaluation import layouts

SCORES = {column.name: column for column in scenes.PROTOCOL.columns}


def items(side: int, *, edited: bool) -> list[Item]:
    """The true edits of two scenes, or their photos as they were; masks likewise."""
    found = []
    for record in islice(scenes.records(Place(side=side)), 6):
        source = record.source()
        wanted, region = record.wanted(), record.mask()
        picture = layouts.png(wanted) if edited else source
        mask = layouts.png((region if edited else ~region).astype(np.uint8) * 255)
        item = _item(scenes.PROTOCOL, Edit(record, picture, mask), Edits("", "", None).lost)
        assert item is not None
        found.append(item)
    return found


def test_the_true_edit_is_perfect_and_none_is_not() -> None:
    for name, column in SCORES.items():
        perfect = column.measure(items(64, edited=True), None)
        if name not in ("background_psnr", "texture_kept"):  # these are against the source
            assert all(v in (1, 100, pytest.approx(1), pytest.approx(0, abs=1e-6)) for v in perfect)
    unedited = items(64, edited=False)
    assert SCORES["mask_iou"].measure(unedited, None) == [0] * 6
    assert set(SCORES["background_psnr"].measure(unedited, None)) == {100}
    assert max(SCORES["region_psnr"].measure(unedited, None)) < 30


def test_scenes_run_with_ray_as_without(ray_here, bench, tmp_path) -> None:
    ours = bench("scenes", None, rows=1, output=tmp_path / "local")
    on_ray = bench("scenes", None, rows=1, output=tmp_path / "ray", local=False)
    assert list(ours["rows"]) == ["none", "feather", "recolor", "exact"]
    assert ours["rows"] == on_ray["rows"]
    assert set(ours["rows"]["none"]["groups"]) >= {"background", "colour", "object"}


def test_both_protocols_agree_on_what_both_measure(tmp_path) -> None:
    """PIE-Bench's frame-wide masked PSNR is the region's, and the area that was left out."""
    data = layouts.pie_bench(tmp_path)
    record = list(pie_bench.records(Place(data)))[2]
    source = seen(record.source())
    case = list(islice(scenes.records(Place(side=512)), 3))[2]
    assert (record.source_prompt, record.target_prompt) == (case.source_prompt, case.target_prompt)
    region = record.mask()
    inner = np.zeros_like(region)
    inner[1:-1, 1:-1] = True
    assert (region == case.mask())[inner].all(), "but for the border"
    edited = np.clip(source.astype(int) + 9 * np.sin(np.arange(512))[:, None, None], 0, 255)
    edited = edited.astype(np.uint8)
    item = Item(case, source, edited, region, region, None, ())
    ours = scenes._background_psnr(item)
    theirs = measures.masked_psnr(item)
    outside = 1 - region.mean()
    assert theirs == pytest.approx(ours - 10 * math.log10(outside), abs=1e-3)


def test_a_lost_edit_is_counted(tmp_path) -> None:
    records = list(islice(scenes.records(Place(side=64)), 3))
    folder = tmp_path / "given"
    folder.mkdir()
    (folder / f"{records[0].id}.png").write_bytes(records[0].source())
    (folder / f"{records[1].id}.png").write_bytes(b"no picture")
    edits = Edits("given", "", folder, ours=False)
    scored = score(scenes.PROTOCOL, records, edits, {}, lambda found, *_: found)
    assert list(scored.values) == [records[0].id]
    assert dict(scored.lost) == {"no picture in the folder": 1, "not_an_image": 1}


def test_what_makes_a_score_fail_fails_alone(tmp_path) -> None:
    from pipeline.evaluation._protocol import Column, Protocol

    def sensitive(items, _):
        if any(item.record.id == "1000000-object" for item in items):
            raise RuntimeError("too small")
        return [1.0] * len(items)

    records = list(islice(scenes.records(Place(side=64)), 3))
    for record in records:
        (tmp_path / f"{record.id}.png").write_bytes(record.source())
    column = Column("x", sensitive, "")
    protocol = Protocol("own reading", "", scenes.records, (column,), "", "x")
    edits = Edits("given", "", tmp_path, ours=False)
    scored = score(protocol, records, edits, {}, lambda found, *_: found)
    assert scored.cells(protocol)["x"].count == 2
    assert scored.cells(protocol)["x"].nan == 1
    assert dict(scored.failed) == {"x: RuntimeError: too small": 1}


def test_masks_that_are_given_are_the_masks_and_the_table_says_so(bench, tmp_path) -> None:
    found = bench("scenes", None, rows=1, given_masks=True)
    rows = found["rows"]
    assert found["masks"] == "given to the editor"
    assert all("masks given" in row["about"] for row in rows.values())
    assert rows["none"]["all"]["mask_iou"]["mean"] > 0.95
    with pytest.raises(UsageError, match="holds other records"):
        bench("scenes", None, rows=1)
