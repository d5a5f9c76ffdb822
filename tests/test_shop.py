"""One sitting, from a feed to approved files: every command as a person types it, and a browser."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from pipeline.demo.make_data import make_data
from pipeline.images.encode import SOURCE_TYPE
from tests.report.test_browser import ARGUMENTS, CHROMIUM

SCENES = 40
FAST = ("prompts.colours=[red, blue]", "edit.steps=4", "mask.noise_maps=2")
LOOK = ("--approved", "--canvas", "1000x1000", "--max-kb", "200", "--background", "white")

pytestmark = pytest.mark.skipif(
    not CHROMIUM.exists(), reason=f"{CHROMIUM} is missing: apt-get install chromium"
)


@pytest.fixture
def diffedit(monkeypatch: Any, capfd: Any) -> Callable[..., tuple[int, str]]:
    """`diffedit("run", file, …)` in this process: exit code and what it printed."""

    def call(*arguments: object) -> tuple[int, str]:
        from pipeline.cli import main

        monkeypatch.setattr(sys, "argv", ["diffedit", *map(str, arguments)])
        monkeypatch.setenv("COLUMNS", "200")
        capfd.readouterr()
        with pytest.raises(SystemExit) as stop:
            main()
        out, err = capfd.readouterr()
        return int(stop.value.code or 0), out + err

    return call


def shop(folder: Path) -> Path:
    """40 scenes and their feed; one SKU is no name for a file, and two are the same."""
    make_data(folder.with_name("scenes"), SCENES, "folder", rows_per_shard=SCENES)
    scenes = folder.with_name("scenes") / "00000"
    rows = [json.loads(line) for line in (scenes / "metadata.jsonl").read_text().splitlines()]
    skus = ["MUG/1", "TWICE", "TWICE", *(f"SKU-{n:03}" for n in range(3, SCENES))]
    folder.mkdir()
    with (folder / "feed.csv").open("w", newline="") as file:
        writer = csv.writer(file, delimiter=";")
        writer.writerow(["sku", "title", "colour", "image"])
        for sku, row in zip(skus, rows, strict=True):
            (folder / row["file_name"]).write_bytes((scenes / row["file_name"]).read_bytes())
            writer.writerow([sku, row["caption"], row["colour"], row["file_name"]])
    return folder


def decide(page: Path, rejected: int, to: Path) -> tuple[int, int]:
    """Rejects the first edits and approves the others by keys; how many of each it says."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        opened = browser.new_page()
        opened.goto(f"file://{page}")
        opened.locator(".card").first.focus()
        count = opened.locator(".card").count()
        for number in range(count):
            opened.keyboard.press("r" if number < rejected else "a")
            opened.keyboard.press("n")
        told = opened.inner_text("#told")
        with opened.expect_download() as download:
            opened.click("#save")
        download.value.save_as(to)
        browser.close()
    assert told == f"{count} of {count} decided (100 %): {count - rejected} approved, 3 rejected"
    return count - rejected, rejected


def test_one_sitting(tmp_path: Path, diffedit: Callable[..., tuple[int, str]]) -> None:
    source, config = shop(tmp_path / "shop"), tmp_path / "run.yaml"
    code, text = diffedit("init", source)
    assert code == 0 and "40 of 40 rows name a picture so" in text
    config.write_text(text)

    code, said = diffedit("plan", config, *FAST)
    assert code == 0 and "40" in said
    code, said = diffedit("run", config, *FAST, "--local")
    assert code == 0 and "dead 0" in said, said
    output = tmp_path / "shop-recoloured"

    code, said = diffedit("report", output, "--edits", 1000)
    approved, rejected = decide(output / "report.html", 3, tmp_path / "decisions.json")
    code, said = diffedit("review", output, tmp_path / "decisions.json")
    assert code == 0 and f"review: {approved} approved, {rejected} rejected" in said
    assert diffedit("verify", output)[0] == 0

    out, name = tmp_path / "files", "{sku}_{edit}.jpg"
    code, said = diffedit("export", output, out, *LOOK, "--name", name)
    with (out / "manifest.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    with (out / "left-out.csv").open(newline="") as file:
        left = list(csv.DictReader(file))
    assert code == 1 and {row["sku"] for row in left} == {"TWICE"} and len(left) > 1
    assert "edits would be TWICE_" in said and f"files: {len(rows)} written, 0 there" in said
    assert len(rows) + len(left) == approved
    assert "names made safe: " not in said or "MUG_1_" in said
    for row in rows:
        data = (out / row["file"]).read_bytes()
        assert len(data) <= 200_000 and SOURCE_TYPE.encode() in data
        with Image.open(out / row["file"]) as picture:
            assert (picture.format, picture.size) == ("JPEG", (1000, 1000))
            assert picture.getpixel((2, 2)) == (255, 255, 255)
        assert row["colour"] in ("red", "blue") and float(row["mask_area"]) >= 0

    before = {path: path.stat().st_mtime_ns for path in out.glob("*.jpg")}
    assert {path.name for path in before} == {row["file"] for row in rows}
    code, said = diffedit("export", output, out, *LOOK, "--name", name)
    assert f"files: 0 written, {len(rows)} there already" in said
    assert {path: path.stat().st_mtime_ns for path in out.glob("*.jpg")} == before

    unsafe = tmp_path / "unsafe"
    code, said = diffedit("export", output, unsafe, "--name", "{sku}_{key}_{edit}.png")
    assert code == 0 and "names made safe: " in said and "'MUG_1_" in said
    assert len(list(unsafe.glob("*.png"))) == approved + rejected
