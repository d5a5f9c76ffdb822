"""An output → files and their list: once each, only what was approved, nothing lost in silence."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from pipeline.errors import UsageError
from pipeline.export.journal import JOURNAL, Journal
from pipeline.export.manifest import cell
from pipeline.export.names import Template
from pipeline.export.picture import Look
from pipeline.export.run import Told, export, lines
from pipeline.sinks import edits, reviews
from pipeline.sinks.output import Output
from pipeline.sinks.reviews import Review
from pipeline.storage import Storage
from tests.report.outputs import dead, edit, write_output

LOOK = Look("JPEG", canvas=(64, 64), background=(255, 255, 255), max_kb=200)


def sold(number: int, sku: object, **more: Any) -> dict[str, Any]:
    return edit(number, columns=json.dumps({"sku": sku, "title": f"Mug {number}"}), **more)


def run(output: Output, out: Path, name: str = "{sku}_{edit}.jpg", approved: bool = False,
        look: Look = LOOK) -> Told:  # fmt: skip
    return export(output, out, Template.parse(name), look, approved, lambda items, _: items)


def listed(out: Path, name: str = "manifest.csv") -> list[dict[str, str]]:
    with (out / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def files(out: Path) -> dict[str, tuple[int, bytes]]:
    found = sorted(out.rglob("*.jpg"))
    return {str(p.relative_to(out)): (p.stat().st_mtime_ns, p.read_bytes()) for p in found}


@pytest.fixture
def output(tmp_path: Path) -> Output:
    return write_output(tmp_path / "in", [[sold(0, "A-1"), sold(1, "B/2"), dead(2)],
                                          [sold(3, "=cmd()"), sold(4, "D-4")]])  # fmt: skip


def decide(output: Output, verdict: str, *keys: str) -> None:
    ids = {
        row["key"]: row["id"]
        for part in edits.parts(output)
        for row in edits.columns(output, part.path, {"id", "key"}.__contains__).to_pylist()
    }
    review = Review.model_validate(
        {"format": "diffedit-review-1", "run": output.run,
         "decisions": {ids[key]: verdict for key in keys}}
    )  # fmt: skip
    reviews.store(output, review, set(ids.values()))


def test_files_and_their_list(output: Output, tmp_path: Path) -> None:
    out = tmp_path / "out"
    told = run(output, out)
    assert set(files(out)) == {
        "A-1_red-to-blue.jpg", "B_2_red-to-blue.jpg", "=cmd()_red-to-blue.jpg",
        "D-4_red-to-blue.jpg",
    }  # fmt: skip
    rows = {row["key"]: row for row in listed(out)}
    assert rows["000001"] | {"id": "", "score_background_psnr": ""} == {
        "file": "B_2_red-to-blue.jpg", "sku": "B/2", "key": "000001", "edit": "red-to-blue",
        "colour": "red-to-blue", "hex": "", "delta_e": "", "mask_area": "0.251",
        "score_background_psnr": "", "score_edit_change": "39", "id": "",
    }  # fmt: skip
    assert rows["000003"]["sku"] == "'=cmd()" and rows["000003"]["file"].startswith("'=")
    assert any("names made safe: 1" in line for line in lines(told))
    with Image.open(out / "A-1_red-to-blue.jpg") as picture:
        assert picture.size == (64, 64) and picture.getpixel((0, 0)) == (255, 255, 255)


def test_again_nothing_is_done_twice(output: Output, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert run(output, out).written == 4
    first = files(out)
    told = run(output, out)
    assert (told.written, told.there) == (0, 4) and files(out) == first
    (out / "A-1_red-to-blue.jpg").write_bytes(b"half")
    (out / "D-4_red-to-blue.jpg").unlink()
    told = run(output, out)
    assert (told.written, told.there) == (2, 2)
    assert {k: v[1] for k, v in files(out).items()} == {k: v[1] for k, v in first.items()}
    assert run(output, out, look=Look("JPEG", size=32)).written == 4


def test_an_export_that_was_stopped_goes_on(output: Output, tmp_path: Path) -> None:
    out = tmp_path / "out"

    class Killed(Exception): ...

    def two(items: Any, total: int) -> Any:
        for number, item in enumerate(items):
            if number == 2:
                raise Killed
            yield item

    with pytest.raises(Killed):
        export(output, out, Template.parse("{sku}_{edit}.jpg"), LOOK, False, two)
    with (out / JOURNAL).open("ab") as journal:
        journal.write(b'{"file": "half a li')
    done = len(files(out))
    assert not (out / "manifest.csv").exists() and done >= 2
    told = run(output, out)
    assert (told.written, told.there) == (4 - done, done)
    assert len(listed(out)) == 4 and run(output, out).written == 0


def test_only_what_is_approved(output: Output, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no edit is approved"):
        run(output, tmp_path / "none", approved=True)
    decide(output, "approved", "000000", "000001")
    decide(output, "rejected", "000001", "000003")
    told = run(output, tmp_path / "out", approved=True)
    assert [row["key"] for row in listed(tmp_path / "out")] == ["000000"]
    assert next(lines(told)) == "4 edits: 1 approved, 2 rejected"
    decide(output, "rejected", "000000")
    decide(output, "approved", "000004")
    told = run(output, tmp_path / "out", approved=True)
    assert told.stale == ["A-1_red-to-blue.jpg"]
    assert any("not asked for any more: 1" in line for line in lines(told))


def test_a_clash_of_names_leaves_all_of_them_out(tmp_path: Path) -> None:
    rows = [sold(0, "A"), sold(1, "a"), sold(2, "B"), sold(3, None)]
    output, out = write_output(tmp_path / "in", [rows]), tmp_path / "out"
    told = run(output, out)
    assert list(files(out)) == ["B_red-to-blue.jpg"]
    why = {row["key"]: row["why"] for row in listed(out, "left-out.csv")}
    assert "2 edits would be A_red-to-blue.jpg" in why["000000"] and "000001" in why
    assert "no sku to name it by" in why["000003"]
    assert any("left out (left-out.csv): 3" in line for line in lines(told))
    run(output, out, "{sku}_{key}.jpg")
    assert len(listed(out, "left-out.csv")) == 1
    run(output, out, "{id}.jpg")
    assert not (out / "left-out.csv").exists()


def test_a_key_that_is_a_pictures_name_gives_its_stem(tmp_path: Path) -> None:
    output = write_output(tmp_path / "in", [[edit(0, key="a.b.PNG"), edit(1, key="v1.2")]])
    run(output, tmp_path / "out", "{key}.jpg")
    assert set(files(tmp_path / "out")) == {"a.b.jpg", "v1.2.jpg"}


def test_pictures_that_cannot_be_made_are_told(tmp_path: Path) -> None:
    rows = [sold(0, "A"), sold(1, "B", edited=b"junk")]
    output, out = write_output(tmp_path / "in", [rows]), tmp_path / "out"
    told = run(output, out)
    assert told.written == 1 and [row["sku"] for row in listed(out)] == ["A"]
    assert "not_an_image" in listed(out, "left-out.csv")[0]["why"]


def test_nothing_is_written_over_or_outside(output: Output, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine.txt").write_text("mine")
    with pytest.raises(UsageError, match="not empty and not of an export"):
        run(output, out)
    (out / "mine.txt").unlink()
    with pytest.raises(UsageError, match="lies in the output"):
        run(output, Path(output.path) / "shop")
    with pytest.raises(UsageError, match="give a local folder"):
        run(output, Path("s3://bucket/shop"))
    run(output, out, "{sku}/{edit}.jpg")
    (tmp_path / "elsewhere").mkdir()
    (out / "link").symlink_to(tmp_path / "elsewhere")
    (out / "D-4_x.jpg").write_bytes(b"mine")
    told = run(output, out, "link/{sku}.jpg")
    assert told.written == 0 and "leads out of" in told.plan.left_out[0][1]
    assert not list((tmp_path / "elsewhere").iterdir())
    told = run(output, out, "{sku}_x.jpg")
    assert [why for _, why in told.plan.left_out] == [
        "D-4_x.jpg: there already, and not of an export"
    ]
    assert (out / "D-4_x.jpg").read_bytes() == b"mine"


def test_one_export_at_a_time(output: Output, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run(output, out)
    with Journal(out), pytest.raises(UsageError, match="another export is writing there"):
        run(output, out)


def test_an_output_on_s3(moto: Storage, tmp_path: Path) -> None:
    output = write_output("s3://input/shop", [[sold(0, "A-1"), sold(1, "B")]], storage=moto)
    decide(output, "approved", "000001")
    assert run(output, tmp_path / "out", approved=True).written == 1


@pytest.mark.parametrize(
    ("value", "shown"),
    [("=1+1", "'=1+1"), ("+49", "'+49"), ("-1", "'-1"), ("@x", "'@x"), (" =x", "' =x"),
     ("\t=x", "'\t=x"), ("＝x", "'＝x"), (-0.5, "-0.5"), (None, ""), ("a=b", "a=b")],
)  # fmt: skip
def test_no_cell_is_a_formula(value: object, shown: str) -> None:
    assert cell(value) == shown
