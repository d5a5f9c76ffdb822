"""The pictures of the card: which edits, what is in them, and that no other stays."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pipeline.checks import Bound
from pipeline.images.encode import SOURCE_TYPE
from pipeline.sinks.commits import load_progress
from pipeline.sinks.output import Output
from pipeline.sinks.part import write_part
from pipeline.sinks.publish import describe, publish
from pipeline.sinks.recheck import recheck
from pipeline.sinks.remove import remove
from pipeline.sinks.sweep import sweep
from pipeline.sinks.verify import verify
from tests.s3_server import S3Server
from tests.sinks.tables import SCORES, edited, made, rejected, run_config, table

Row = dict[str, Any]
BOTH = ["parquet", "webdataset"]


def begun(path: str, **more: Any) -> Output:
    """A new output that bounds `edit_change`."""
    check = {"scores": list(SCORES), "keep": {"edit_change": {"min": 2}}}
    output = made(run_config(path, check=check, **more))
    describe(output)
    return output


def written(output: Output, rows: list[Row]) -> Output:
    """With `rows` as its only chunk, published."""
    for row in rows:
        row |= {"last": True, "planned": sum(other["key"] == row["key"] for other in rows)}
    write_part(output, table(rows))
    publish(output)
    return output


def pairs(count: int, **more: Any) -> list[Row]:
    """A blue and a red edit of each of `count` images."""
    return [edited("a", 0, n, name, **more) for n in range(count) for name in ("blue", "red")]


def card(output: Output) -> str:
    return output.fs.cat_file(f"{output.root}/README.md").decode()


def linked(output: Output) -> list[str]:
    """Paths of the pictures that the card shows, in its order."""
    return re.findall(r"^!\[[^\]\[]*\]\((card/[^)]+\.jpg)\)$", card(output), re.MULTILINE)


def there(output: Output) -> set[str]:
    return {f"card/{path.name}" for path in Path(output.root, "card").glob("*")}


@pytest.mark.parametrize("formats", [["parquet"], ["webdataset"]])
def test_the_first_edits_are_shown_of_all_targets_and_images(
    tmp_path: Path, formats: list[str]
) -> None:
    output = written(begun(str(tmp_path / "out"), output={"formats": formats}), pairs(4))
    shown = [re.findall("img_([0-9])-([a-z]+)", path)[0] for path in linked(output)]
    assert shown == [("0", "blue"), ("0", "red"), ("1", "blue"), ("1", "red"), ("2", "blue")]
    assert there(output) == set(linked(output))
    assert [line.count('"id"') for line in card(output).splitlines()].count(1) == 5
    before = {path: Path(output.root, path).read_bytes() for path in there(output)}
    publish(output)
    assert {path: Path(output.root, path).read_bytes() for path in there(output)} == before


def test_a_picture_is_source_edit_and_mask_and_says_that_a_model_made_it(tmp_path: Path) -> None:
    photo, mask = Image.new("RGB", (400, 300), "navy"), Image.new("L", (400, 300))
    mask.paste(255, (0, 0, 200, 300))
    files = [io.BytesIO() for _ in range(3)]
    for image, file in zip((photo, Image.new("RGB", photo.size, "red"), mask), files, strict=True):
        image.save(file, "PNG")
    names = ("image", "edited", "mask")
    pictures = {name: file.getvalue() for name, file in zip(names, files, strict=True)}
    row = edited("a", 0, 0, "red", width=400, height=300, **pictures)
    [path] = linked(written(begun(str(tmp_path / "out")), [row]))
    data = (tmp_path / "out" / path).read_bytes()
    assert SOURCE_TYPE.encode() in data
    with Image.open(io.BytesIO(data)) as opened:
        assert opened.format == "JPEG" and opened.size == (3 * 192 + 12, 144)
        colours = [opened.getpixel((x, 70)) for x in (90, 290, 440, 540)]
    wanted = [(0, 0, 128), (255, 0, 0), (255, 255, 255), (0, 0, 0)]
    assert np.abs(np.subtract(colours, wanted)).max() < 6


def test_five_pictures_of_noise_are_still_small(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (400, 400, 3), np.uint8)
    sink = io.BytesIO()
    Image.fromarray(noise).save(sink, "PNG")
    same = {"image": sink.getvalue(), "edited": sink.getvalue()}
    output = written(begun(str(tmp_path / "out")), pairs(3, **same))
    sizes = [Path(output.root, path).stat().st_size for path in linked(output)]
    assert len(sizes) == 5 and sum(sizes) < 300_000


@pytest.mark.parametrize("formats", [["parquet"], ["webdataset"], BOTH])
def test_no_picture_of_a_rejected_or_removed_edit_stays(tmp_path: Path, formats: list[str]) -> None:
    rows = [*pairs(3), rejected(edited("a", 0, 3, "blue", score_edit_change=1.0), 2)]
    for number, row in enumerate(rows[:6]):
        row["score_edit_change"] = 3.0 + number
    output = written(begun(str(tmp_path / "out"), output={"formats": formats}), rows)
    first = linked(output)
    assert len(first) == 5 and not any("img_3" in path for path in first)
    recheck(output, {"edit_change": Bound(min=5)})
    after = linked(output)
    assert [re.findall("img_([0-9])-([a-z]+)", p)[0] for p in after] == [
        ("1", "blue"), ("1", "red"), ("2", "blue"), ("2", "red"),
    ]  # fmt: skip
    assert there(output) == set(after)
    gone = after[0].removeprefix("card/").removesuffix(".jpg")
    assert remove(output, [gone]) == (1, [])
    assert there(output) == set(linked(output)) == set(after[1:])
    recheck(output, {"edit_change": Bound(min=90)})
    assert linked(output) == [] == sorted(there(output))
    assert "\n## Examples\n\nNone.\n" in card(output)


def test_the_folder_is_no_stray_and_what_others_put_there_stays(tmp_path: Path) -> None:
    output = written(begun(str(tmp_path / "out")), pairs(2))
    own = tmp_path / "out" / "card" / "logo.jpg"
    own.write_bytes(b"mine")
    left = tmp_path / "out" / f".{linked(output)[0]}".replace(".card/", "card/.")
    left.with_name(f"{left.name}.0123abcd.tmp").write_bytes(b"half of one")
    found = verify(output)
    assert (found.problems, found.warnings) == ([], [])
    assert sweep(output, load_progress(output)) == []
    publish(output)
    assert there(output) == {*linked(output), "card/logo.jpg"} and own.read_bytes() == b"mine"


def test_text_of_a_caption_cannot_pass_for_the_card_s_own(tmp_path: Path) -> None:
    hostile = "red](http://x) ![a](b)\n\n# h <script>`|\\*_\u202e\u2028& mug"
    rows = [edited("a", 0, 0, "blue", source_prompt=hostile, target_prompt=None)]
    output = written(begun(str(tmp_path / "out")), rows)
    [line] = [line for line in card(output).splitlines() if line.startswith("!")]
    alt = line.removeprefix("![").partition("](card/")[0]
    assert not set(alt) & set("[]()<>`|\\*!#&\u202e\u2028/")
    assert alt.startswith("red") and alt.endswith("mug → ?") and len(linked(output)) == 1
    long = [edited("b", 0, 0, "blue", source_prompt="word " * 99)]
    page = card(written(begun(str(tmp_path / "long")), long))
    assert max(len(line) for line in page.splitlines() if line.startswith("!")) < 500


def test_without_sources_none_is_shown_and_what_cannot_be_decoded_is_left_out(
    tmp_path: Path,
) -> None:
    rows = [edited("a", 0, 0, "blue"), edited("a", 0, 1, "red", edited=b"no picture")]
    output = written(begun(str(tmp_path / "out"), output={"source": False}), rows)
    [path] = linked(output)
    with Image.open(Path(output.root, path)) as opened:
        assert opened.size == (8 + 6 + 8, 8)
    assert "From left to right: the edit, and the mask" in card(output)


def test_a_damaged_part_is_one_line(tmp_path: Path) -> None:
    from pipeline.errors import RunError

    output = written(begun(str(tmp_path / "out")), pairs(2))
    [part] = Path(output.root, "edits").glob("*-r0-*")
    part.write_bytes(part.read_bytes()[:-20] + b"x" * 20)
    with pytest.raises(RunError, match=r"edits/.*: missing or damaged; `diffedit verify`"):
        publish(output)


def test_on_s3(s3_server: S3Server) -> None:
    storage = {"endpoint_url": s3_server.endpoint_url}
    path = s3_server.path("card-pictures")
    output = written(begun(path, output={"storage": storage}), pairs(3))
    for row in (output.fs.cat_file(f"{output.root}/{name}") for name in linked(output)):
        assert SOURCE_TYPE.encode() in row
    recheck(output, {"edit_change": Bound(min=50)})
    assert linked(output) == [] and not output.fs.glob(f"{output.root}/card/*")
    assert verify(output).warnings == []


def test_datasets_finds_only_the_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    import datasets

    for formats in (["parquet"], ["webdataset"], BOTH):
        place = "-".join(formats)
        output = written(begun(str(tmp_path / place), output={"formats": formats}), pairs(3))
        assert len(there(output)) == 5
        cache = str(tmp_path / "cache")
        opened = datasets.load_dataset(output.root, cache_dir=cache)
        assert {name: len(rows) for name, rows in opened.items()} == {"train": 6}
        for kind in ("rejected", "dead") if "parquet" in formats else ():
            assert (
                list(datasets.load_dataset(output.root, kind, split="train", streaming=True)) == []
            )
