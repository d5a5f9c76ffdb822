"""A config for data that was never seen: it runs as it is, and says what it guessed."""

from __future__ import annotations

import csv
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from pipeline import config_file
from pipeline.config import RunConfig
from pipeline.engine.estimate import Estimate, estimate
from pipeline.errors import UsageError
from pipeline.init.look import look
from pipeline.init.write import to_yaml
from pipeline.storage import Storage
from tests.datasets import photo, write_tar

COLOURS = ("Red", "Blue", "Green", "Yellow")


def made(path: Path | str, tmp_path: Path, use: str = "recolour", **more: Any) -> tuple[
    str, RunConfig, Estimate
]:  # fmt: skip
    text = to_yaml(look(str(path), more.pop("endpoint_url", None)), use, "demo")
    (tmp_path / "run.yaml").write_text(text, encoding="utf-8")
    settings = config_file.load(tmp_path / "run.yaml")
    return text, settings, estimate(settings)


def feed(number: int, **more: str) -> dict[str, str]:
    colour = COLOURS[number % len(COLOURS)]
    return {"sku": f"SKU-{number:03}", "title": f"{colour} Cotton Mug", "colour": colour, **more}


def write_csv(path: Path, rows: list[dict[str, str]], delimiter: str = ",") -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter=delimiter)
        writer.writeheader()
        writer.writerows(rows)


def pictures(folder: Path, names: list[str]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(names):
        (folder / name).write_bytes(photo(number))
    return folder


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_pictures_named_by_their_sku(tmp_path: Path, delimiter: str) -> None:
    folder = pictures(tmp_path / "shop", [f"SKU-{n:03}.jpg" for n in range(8)])
    write_csv(folder / "feed.csv", [feed(n) for n in range(8)], delimiter)
    text, settings, plan = made(folder, tmp_path)
    given = settings.input
    assert (given.table, given.file_name, given.caption) == ("feed.csv", "sku", "title")
    assert "guessed: 8 of 8 rows name a picture so" in text
    assert "8 of 8 titles name a colour" in text
    assert "8 pictures, 8 rows looked at" in text and "64×64 pixels; 0 of 8" in text
    assert plan.rows == 8 and plan.dead == 0 and plan.edits >= 24
    assert settings.prompts.source_colour == "colour"
    assert "guessed; 8 of 8 rows can be planned with it" in text


def test_a_feed_with_a_column_of_files(tmp_path: Path) -> None:
    folder = pictures(tmp_path / "shop", [f"img{n}.png" for n in range(6)])
    write_csv(folder / "products.csv", [feed(n, Image=f"IMG{n}.png") for n in range(6)])
    _, settings, plan = made(folder, tmp_path)
    assert (settings.input.table, settings.input.file_name) == ("products.csv", "Image")
    assert (plan.rows, plan.dead) == (6, 0)


def test_metadata_needs_no_word(tmp_path: Path) -> None:
    folder = pictures(tmp_path / "shop", [f"img{n}.png" for n in range(4)])
    rows = [{"file_name": f"img{n}.png", "caption": "a red mug"} for n in range(4)]
    (folder / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)))
    text, settings, plan = made(folder, tmp_path)
    assert settings.input.table is None and "table:" not in text and plan.dead == 0


def test_what_cannot_be_told_is_asked_for(tmp_path: Path) -> None:
    folder = pictures(tmp_path / "shop", ["a.png", "b.png"])
    text, _, plan = made(folder, tmp_path)
    assert "# caption: which column holds the titles? It could not be told." in text
    assert "0 of 2 titles name a colour; the others: 2 no_caption" in text and plan.dead == 2
    write_csv(folder / "feed.csv", [feed(n) for n in range(2)])
    assert "feed.csv is not used: no column of it names pictures" in made(folder, tmp_path)[0]
    (folder / "feed.csv").write_bytes("sku,title\na,Tür\n".encode("cp1252"))
    assert "it is not UTF-8 text" in made(folder, tmp_path)[0]
    (folder / "feed.csv").unlink()
    write_csv(tmp_path / "feed.csv", [feed(n) for n in range(2)])
    assert "a table feed.csv lies beside the folder" in made(folder, tmp_path)[0]


def test_a_feed_above_its_pictures(tmp_path: Path) -> None:
    pictures(tmp_path / "shop" / "images", [f"SKU-{n:03}.jpg" for n in range(4)])
    write_csv(tmp_path / "shop" / "feed.csv", [feed(n) for n in range(4)])
    assert "put it beside them" in made(tmp_path / "shop", tmp_path)[0]
    rows = [feed(n, picture=f"images/SKU-{n:03}.jpg") for n in range(4)]
    write_csv(tmp_path / "shop" / "feed.csv", rows)
    text, settings, plan = made(tmp_path / "shop", tmp_path)
    assert settings.input.file_name == "picture" and plan.dead == 0 and "put it" not in text


def test_parquet_of_any_columns(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    rows = [{"photo": photo(n), "thumb": 1, "product_name": f"a {COLOURS[n].lower()} mug",
             "Farbe": COLOURS[n], "text": "x"} for n in range(4)]  # fmt: skip
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "in" / "a.parquet")
    text, settings, plan = made(tmp_path / "in", tmp_path)
    assert (settings.input.image, settings.input.caption) == ("photo", "product_name")
    assert (plan.rows, plan.dead) == (4, 0) and "Farbe" in text


def test_parquet_without_a_caption(tmp_path: Path) -> None:
    rows = [{"image": photo(n), "label": n} for n in range(3)]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet")
    text, settings, _ = made(tmp_path / "a.parquet", tmp_path)
    assert settings.input.caption is None and "which column holds the titles" in text
    assert settings.output.path == f"{tmp_path}/a-recoloured"


def test_tars_with_the_caption_in_their_json(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    with tarfile.open(tmp_path / "in" / "a.tar", "w") as tar:
        for number in range(4):
            said = json.dumps({"title": "a red mug", "color": "red"}).encode()
            for ending, data in (("jpg", photo(number)), ("json", said)):
                member = tarfile.TarInfo(f"{number:05}.{ending}")
                member.size = len(data)
                tar.addfile(member, io.BytesIO(data))
    _, settings, plan = made(tmp_path / "in", tmp_path)
    assert settings.input.caption == "json:title" and plan.dead == 0


def test_counterfactuals(tmp_path: Path) -> None:
    write_tar(tmp_path / "in" / "a.tar", [(f"{n}", photo(n), "a red mug") for n in range(3)])
    text, settings, plan = made(tmp_path / "in", tmp_path, "counterfactual")
    assert settings.prompts.type == "swap" and settings.check.keep and plan.edits == 9
    assert "3 of 3 captions have such a word" in text and "groups: [colours, materials," in text
    assert settings.output.path.endswith("in-counterfactual")


def test_transparency_and_sizes_are_told(tmp_path: Path) -> None:
    folder = pictures(tmp_path / "shop", ["a.png"])
    Image.new("RGBA", (90, 30), (9, 9, 9, 99)).save(folder / "b.png")
    (folder / "c.png").write_bytes(b"junk")
    text, _, _ = made(folder, tmp_path)
    assert "64×64 to 90×30 pixels; 1 of 2 looked at are partly transparent" in text


HOSTILE = "x\nmodel: {path: evil}\u2028y: \x85 #'\": {[*&!"


def test_nothing_in_the_data_ends_a_comment_or_a_value(tmp_path: Path) -> None:
    folder = pictures(tmp_path / "sh: op #'\u2028x", ["SKU-000.jpg", "SKU-001.jpg"])
    rows = [feed(n, **{HOSTILE: "1"}) for n in range(2)]
    write_csv(folder / "feed.csv", rows)
    text, settings, _ = made(folder, tmp_path)
    assert settings.model.path == "demo" and settings.input.path == str(folder)
    assert not any(line.startswith(("y:", "model: {")) for line in text.splitlines())
    rows = [{HOSTILE: f"SKU-{n:03}", "title": "a red mug"} for n in range(2)]
    (folder / "feed.csv").unlink()
    (folder / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows)))
    made(folder, tmp_path)


def test_nothing_to_read(tmp_path: Path) -> None:
    (tmp_path / "notes.pdf").write_bytes(b"x")
    with pytest.raises(UsageError, match=r"no pictures, .tar or .parquet files; there are: .pdf"):
        look(str(tmp_path), None)
    with pytest.raises(UsageError, match="no such file"):
        look(str(tmp_path / "none"), None)
    (tmp_path / "a.parquet").write_bytes(b"junk")
    with pytest.raises(UsageError, match="not readable Parquet"):
        look(str(tmp_path), None)


def test_on_s3(moto: Storage, tmp_path: Path) -> None:
    from pipeline.storage import connect, put

    fs, root = connect("s3://input/init", moto)
    for number in range(2):
        put(fs, f"{root}/SKU-{number:03}.jpg", photo(number))
    put(fs, f"{root}/feed.csv", b"sku;title\nSKU-000;Red Mug\nSKU-001;Blue Mug\n")
    _, settings, plan = made("s3://input/init", tmp_path, endpoint_url=moto.endpoint_url)
    assert settings.input.file_name == "sku" and settings.input.caption == "title"
    assert settings.output.path == "s3://input/init-recoloured" and plan.dead == 0


@pytest.mark.parametrize("path", [".", "./", "../shop", "../shop//", "../shop/.", ""])
def test_the_output_is_never_in_the_input(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    folder = pictures(tmp_path / "shop", ["a.jpg"])
    monkeypatch.chdir(folder)
    made(path or str(folder) + "/", tmp_path)
