"""IMBA, its study, PASCAL VOC, and the plain lines of what was not found, in their layouts."""

from __future__ import annotations

import math

import pytest

from pipeline.errors import UsageError
from pipeline.evaluation import _lines, imba, imba_ratings, voc_colour, voc_material
from pipeline.evaluation._record import Place
from pipeline.metrics._networks.network import Network
from tests.evaluation import layouts


def test_imba_masks(tmp_path) -> None:
    records = list(imba.records(Place(layouts.imba(tmp_path))))
    bird, background, other, none = (record.mask() for record in records)
    assert (background == ~bird).all(), "the same file, inverted for the background"
    assert (other != bird).any()
    assert none is None
    assert {record.source_prompt for record in records} == {""}
    assert records[0].source() != records[1].source()


def test_imba_from_folder_to_table(bench, tmp_path) -> None:
    row = bench("imba", layouts.imba(tmp_path / "data"))["rows"]["none"]
    assert row["edits"] == 4
    assert row["all"]["lpips_background"]["nan"] == 1
    assert row["all"]["object_kept_proxy"]["nan"] == 2, "one must not keep it, one has no mask"
    assert set(row["groups"]) == {"background", "foreground"}


def test_ratings_are_means_over_raters_then_pictures(bench, tmp_path) -> None:
    path = tmp_path / "ratings.csv"
    path.write_text(
        "rater,id,question,score\n"
        "a,001,Object retention,6\nb,001,object-retention,3\na,002,object_retention,1\n"
        "a,001,satisfaction,4\n"
    )
    found = bench("imba_ratings", path)
    cells = found["rows"]["people"]["all"]
    assert found["status"] == "human study"
    assert cells["object_retention"]["mean"] == (4.5 + 1) / 2
    assert (cells["satisfaction"]["mean"], cells["satisfaction"]["nan"]) == (4, 1)
    assert cells["realistic"]["mean"] is None
    assert found["published"][0]["values"]["object_retention"] == 4.58
    assert not (tmp_path / "out/input").exists(), "nothing is edited"


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("a,1,object retention,7", r"ratings.csv:2: score '7'; expected a number from 1 to 6"),
        ("a,1,beauty,3", "question 'beauty'"),
        ("a,1,realistic,3\na,1,realistic,4", "a rated 1, realistic twice"),
    ],
)
def test_a_rating_that_is_none_is_told(tmp_path, line, said) -> None:
    (tmp_path / "ratings.csv").write_text(f"rater,id,question,score\n{line}\n")
    with pytest.raises(UsageError, match=said):
        list(imba_ratings.records(Place(tmp_path)))


def test_voc_objects_and_words(bench, tmp_path) -> None:
    data = layouts.voc(tmp_path / "data")
    records = list(voc_colour.PROTOCOL.records(Place(data)))
    assert [r.id for r in records] == ["2007_000001-1", "2007_000002-2"]
    assert [r.target_prompt for r in records] == ["a photo of a red car", "a photo of a blue sofa"]
    assert records[0].mask().sum() == 30 * 40
    (data / "voc-materials.txt").write_text("stone\n")
    targets = [r.target_prompt for r in voc_material.PROTOCOL.records(Place(data))]
    assert targets == ["a photo of a stone car", "a photo of a stone sofa"]
    row = bench("voc_material", data)
    assert row["status"] == "own reading"
    assert row["rows"]["none"]["all"]["dino_distance"]["count"] == 2
    assert bench("voc_colour", data, output=tmp_path / "c")["rows"]["none"]["edits"] == 2


def test_semantic_aware_takes_the_truth_where_it_is(bench, tmp_path) -> None:
    data = layouts.plain(tmp_path / "data")
    found = bench("semantic_aware", data)
    row = found["rows"]["none"]
    assert row["dead_by_kind"] == {"no_image": 1}, "a path out of the folder leads nowhere"
    assert row["edits"] == 2
    given = tmp_path / "given"
    given.mkdir()
    for record in list(_lines.records(Place(data)))[:2]:
        wanted = record.wanted()
        pixels = layouts.png(wanted) if wanted is not None else record.source()
        (given / f"{record.id}.png").write_bytes(pixels)
    perfect = bench("semantic_aware", data, edits=given)["rows"]["given"]["all"]
    assert (perfect["psnr"]["inf"], perfect["lpips"]["mean"]) == (2, 0)


def test_l_avc_compares_sets(bench, tmp_path, monkeypatch) -> None:
    import torch

    from pipeline.evaluation import l_avc
    from pipeline.metrics._networks import fid

    class Means(torch.nn.Module):
        num_features = 3

        def forward(self, x):
            return x.float().mean(dim=(2, 3)) / 255

    judge = Network("/", lambda *_: tmp_path, lambda *_: fid.of_features(Means()))
    monkeypatch.setitem(l_avc.PROTOCOL.networks, "inception", judge)
    data = layouts.plain(tmp_path / "data")
    found = bench("l_avc", data, weights={"inception_64": "/no/file"})
    row = found["rows"]["none"]
    assert set(row["groups"]) == {"awe", "fear"}
    cell = row["all"]["fid"]
    assert math.isfinite(cell["mean"])
    assert cell["low"] is None, "a set has one value, and no interval"
    assert "fid_64" not in row["all"]
    assert "/no/file" in found["columns"]["fid_64"]["missing"]


def test_lines_are_told_by_number(tmp_path) -> None:
    (tmp_path / "records.jsonl").write_text('{"image": "a.png", "target_prompt": "x"}\n{"image": 3')
    with pytest.raises(UsageError, match=r"records.jsonl:2: not valid JSON"):
        list(_lines.records(Place(tmp_path)))
    (tmp_path / "records.jsonl").write_text('{"image": "a.png"}\n')
    with pytest.raises(UsageError, match="record 0: no 'target_prompt'"):
        list(_lines.records(Place(tmp_path)))


def test_a_mask_that_is_no_picture_costs_its_row_alone(bench, tmp_path) -> None:
    data = layouts.plain(tmp_path / "data")
    (data / "masks/two.png").write_bytes(b"no picture at all")
    row = bench("semantic_aware", data)["rows"]["none"]
    assert row["dead_by_kind"] == {"no_image": 1, "not_an_image": 1}
    assert row["edits"] == 1
