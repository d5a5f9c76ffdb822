"""ImageNet real-edit, its Cars, and Wild-TI2I in their own layouts."""

from __future__ import annotations

import pytest

from pipeline.errors import UsageError
from pipeline.evaluation import imagenet_real_edit, wild_ti2i
from pipeline.evaluation._record import Place
from tests.evaluation import layouts


def test_imagenet(bench, tmp_path) -> None:
    data = layouts.imagenet_real_edit(tmp_path / "data")
    found = bench("imagenet_real_edit", data)
    row = found["rows"]["none"]
    assert found["status"] == "backbone unpublished"
    assert (row["edits"], row["dead_by_kind"]) == (2, {"no_image": 1})
    assert row["all"]["cs"]["count"] == 2
    assert -100 <= row["all"]["cs"]["mean"] <= 100
    assert "backbone unpublished" in (tmp_path / "out/table.md").read_text()


def test_cars_share_a_picture(bench, tmp_path) -> None:
    data = layouts.imagenet_real_edit(tmp_path / "data")
    records = list(imagenet_real_edit.records(Place(data / "Car_real_edit.json")))
    assert [r.target_prompt for r in records] == ["a red car", "a blue car"]
    assert len({r.picture for r in records}) == 1
    found = bench("imagenet_real_edit", data / "Car_real_edit.json")
    assert found["rows"]["feather"]["edits"] == 2
    assert found["published"] == [], "the published row is ImageNet's"


def test_wild(bench, tmp_path) -> None:
    data = layouts.wild_ti2i(tmp_path / "data")
    records = list(wild_ti2i.records(Place(data)))
    assert [r.source() is None for r in records] == [False, False, False, True]
    assert [r.source_prompt for r in records] == ["", "", "a photo of a vase", ""]
    row = bench("wild_ti2i", data)["rows"]["none"]
    assert row["edits"] == 3
    assert row["all"]["cs"]["count"] == 3
    assert row["all"]["cds"]["nan"] >= 2, "no source prompt, no direction"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("- source_prompt: x\n  seed: 1\n  target_prompts: [y]\n", "is to be generated"),
        ("- init_img: x.png\n", "entry 0: no 'target_prompts'"),
        ("init_img: x\n", "expected a list"),
        ("- [: :\n", "cannot parse it"),
    ],
)
def test_a_file_that_is_not_wild_is_told(tmp_path, text, said) -> None:
    (tmp_path / "wild-ti2i-real.yaml").write_text(text)
    with pytest.raises(UsageError, match=said):
        list(wild_ti2i.records(Place(tmp_path)))
