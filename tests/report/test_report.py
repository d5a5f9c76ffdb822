"""The page: its numbers, its size, and outputs that are partial, empty or damaged."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import UsageError
from pipeline.report.collect import Row, collect, spread
from pipeline.report.page import ABOUT, GALLERY, products, write_report
from pipeline.report.texts import figure, word_changes, words
from pipeline.report.worst import worst
from pipeline.rows import Spent
from pipeline.section import public
from pipeline.sinks.output import Output
from pipeline.storage import Storage
from tests.report.outputs import dead, edit, noise, passed, png, write_output


def page_of(output: Output) -> str:
    return Path(write_report(output)).read_text(encoding="utf-8")


def words_of(page: str) -> str:
    without_code = re.sub(r"<(style|script)>.*?</\1>", "", page, flags=re.DOTALL)
    return " ".join(re.sub(r"<[^>]*>", " ", without_code).split())


def test_counts_scores_and_reasons(tmp_path: Path) -> None:
    chunks = [[edit(0), edit(1), dead(2)], [dead(3), dead(4, "no_caption", "plan"), edit(5)]]
    output = write_output(tmp_path, [*chunks, [passed(6)]])
    summary = collect(output, gallery=60)
    assert summary.counts == {
        "rows": 7,
        "planned": 6,
        "written": 3,
        "rejected": 0,
        "dead": 3,
        "passed": 1,
        "removed": 0,
    }
    assert {name: group.count for name, group in summary.dead.items()} == {
        "edit/undecodable": 2,
        "plan/no_caption": 1,
    }
    assert summary.distributions["background_psnr"].quantile(0.5) == 31
    assert [row["key"] for row in summary.gallery] == ["000000", "000001", "000005"]

    text = words_of(page_of(output))
    assert "adds up 6 planned = 3 written + 3 dead" in text
    assert "finished 1 shard read to the end" in text
    assert "plan no_caption 1 no_caption: 4" in text
    assert "prompts.type recolor" in text and "weights 0123abcd" in text


def test_the_idle_share_of_the_model(tmp_path: Path) -> None:
    chunks = [[edit(0)], [dead(1)]]
    output = write_output(tmp_path / "timed", chunks, spent=Spent(9, 1))
    assert "Model idle 10 %" in words_of(page_of(output))
    assert "Model idle" not in page_of(write_output(tmp_path / "untimed", chunks))


def test_a_few_examples_of_each_reason(tmp_path: Path) -> None:
    chunks = [[dead(2 * n), dead(2 * n + 1)] for n in range(4)] + [[dead(8, "too_large")]]
    summary = collect(write_output(tmp_path, chunks), gallery=1)
    examples = {name: [r["key"] for r in g.examples] for name, g in summary.dead.items()}
    assert examples["edit/undecodable"] == ["000000", "000001", "000002"]
    assert examples["edit/too_large"] == ["000008"]
    assert summary.dead["edit/undecodable"].count == 8


def test_every_card_shows_three_pictures_with_texts(tmp_path: Path) -> None:
    page = page_of(write_output(tmp_path, [[edit(0), edit(1)]]))
    alts = re.findall(r'<img src="data:image/webp;base64,[\w+/=]+" alt="([^"]+)"', page)
    assert alts[:3] == ["Source: a red mug 0", "Edited: a blue mug 0",
                        "Mask, 25.0 percent of the picture"]  # fmt: skip
    assert len(alts) == 6


def test_edits_of_one_picture_stand_in_a_row(tmp_path: Path) -> None:
    rows = [
        {**edit(n), "edit": colour, "planned": 3} for n in range(4) for colour in ("red", "b", "c")
    ]
    output = write_output(tmp_path, [rows[:6], rows[6:]])
    gallery = collect(output, gallery=6).gallery
    assert [row["key"] for row in gallery] == ["000001"] * 3 + ["000003"] * 3
    assert [row["edit"] for row in gallery[:3]] == ["red", "b", "c"]
    assert len(collect(output, gallery=12).gallery) == 12
    page = page_of(output)
    assert (page.count('class="product"'), page.count('class="card"')) == (4, 12)
    assert page.count('alt="Source: ') == 4


def test_the_worst_are_those_that_are_worst_in_any_score() -> None:
    rows = [
        {"mask_state": "partial", "score_background_psnr": 40.0, "score_hue_delta_e": 1.0},
        {"mask_state": "partial", "score_background_psnr": 20.0, "score_hue_delta_e": 1.0},
        {"mask_state": "partial", "score_background_psnr": 30.0, "score_hue_delta_e": 9.0},
        {"mask_state": "empty", "score_background_psnr": 50.0, "score_hue_delta_e": None},
    ]
    assert worst(rows) == [pytest.approx(1 / 3), 1, 1, 1]
    assert worst(rows[:1]) == [0] and worst([]) == []


def test_an_exact_colour_and_the_edits_own(tmp_path: Path) -> None:
    output = write_output(tmp_path, [[edit(0)]])
    [product] = products(collect(output, 9), output)
    [card] = product.cards
    assert (card.colour, card.asked, card.delta_e) == ("#1e28c8", False, None)
    exact = {"type": "recolor", "colours": [{"name": "Red to Blue", "hex": "#0000FF"}]}
    asked = replace(output, settings={**output.settings, "prompts": exact})
    [product] = products(collect(output, 9), asked)
    assert (product.cards[0].colour, product.cards[0].asked) == ("#0000ff", True)


def test_the_page_loads_nothing(tmp_path: Path) -> None:
    page = page_of(write_output(tmp_path, [[edit(0), dead(1)]]))
    assert not re.findall(r"(?:src|href)=[\"'](?!data:|#)", page)
    assert not re.findall(r"@import|url\(|fetch\(", page)


def test_a_running_output(tmp_path: Path) -> None:
    output = write_output(tmp_path, [[edit(0)]], last=False)
    (tmp_path / "edits" / "a-tar-00000000-00001.parquet").write_bytes(b"half a par")
    text = words_of(page_of(output))
    assert "partial 0 of the 1 shards begun are finished" in text
    assert "1 planned = 1 written + 0 dead" in text


@pytest.mark.parametrize("chunks", [[], [[dead(0), dead(1)]]])
def test_an_output_without_edits(tmp_path: Path, chunks: list[list[Row]]) -> None:
    page = page_of(write_output(tmp_path, chunks))
    assert "No edits are written" in words_of(page)
    assert "<script>" not in page


def test_counts_that_do_not_add_up_are_told(tmp_path: Path) -> None:
    output = write_output(tmp_path, [[edit(0)]])
    [record] = (tmp_path / "_state/commits").rglob("*.json")
    record.write_text(record.read_text().replace('"planned":1', '"planned":2'))
    assert "does not add up 2 planned ≠ 1 written + 0 dead" in words_of(page_of(output))


def test_pictures_that_do_not_decode_leave_a_note(tmp_path: Path) -> None:
    rows = [edit(0, image=b"junk", edited=b""), edit(1, mask=b"junk")]
    page = page_of(write_output(tmp_path, [rows]))
    assert page.count("no picture") == 4  # source and its overlay and edited; one overlay


def test_the_worst_gallery_stays_below_five_megabytes(tmp_path: Path) -> None:
    source, edited = noise(0), noise(1)
    rows = [edit(n, image=source, edited=edited) for n in range(GALLERY + 3)]
    output = write_output(tmp_path, [rows])
    path = Path(write_report(output))
    assert path.read_text().count('class="card"') == GALLERY
    assert path.stat().st_size < 5e6


def test_writing_twice_gives_the_same_page(tmp_path: Path) -> None:
    output = write_output(tmp_path, [[edit(0), dead(1)]])
    assert page_of(output) == page_of(output)


def test_large_photos_become_thumbnails(tmp_path: Path) -> None:
    photo = png((9, 9, 9), (1500, 900))
    page = page_of(write_output(tmp_path, [[edit(0, image=photo, edited=photo)]]))
    assert len(page) < 60_000


def test_a_missing_part_is_named(tmp_path: Path) -> None:
    output = write_output(tmp_path, [[edit(0)]])
    [part] = (tmp_path / "edits").iterdir()
    part.unlink()
    with pytest.raises(UsageError, match=rf"{part.name}: cannot read a committed part"):
        write_report(output)


def test_an_output_on_s3(moto: Storage, tmp_path: Path) -> None:
    chunks = [[edit(0), dead(1)], [edit(2)]]
    output = write_output("s3://input/report", chunks, storage=moto)
    path = write_report(output)
    assert path == "s3://input/report/report.html"
    there = output.fs.cat_file(f"{output.root}/report.html").decode()
    here = page_of(write_output(tmp_path / "report", chunks))
    assert words_of(there) == words_of(here)


@given(st.lists(st.integers(0, 9), max_size=30), st.integers(1, 12))
def test_the_gallery_is_spread_evenly(counts: list[int], number: int) -> None:
    firsts = [sum(counts[:part]) for part in range(len(counts))]
    chosen = [firsts[part] + at for part, inside in spread(counts, number) for at in inside]
    total = sum(counts)
    assert len(chosen) == len(set(chosen)) == min(number, total)
    steps = [b - a for a, b in pairwise(chosen)]
    assert not steps or max(steps) - min(steps) <= 1
    assert all(0 <= at < counts[part] for part, inside in spread(counts, number) for at in inside)


@given(st.text("ab  c", max_size=20), st.text("ab  c", max_size=20))
def test_marked_words_are_the_prompts_own(before: str, after: str) -> None:
    pieces = word_changes(before, after)
    assert ["".join(text for text, _ in side) for side in pieces] == [before, after]
    same = ["".join(text for text, changed in side if not changed) for side in pieces]
    assert same[0] == same[1]


@pytest.mark.parametrize(
    ("value", "text"),
    [(12345, "12,345"), (0.04217, "0.0422"), (31.6415, "31.6"), (2.0, "2"), (12345.6, "12,346")],
)
def test_figures_are_for_people(value: float, text: str) -> None:
    assert figure(value) == text


def test_every_score_says_what_it_is() -> None:
    assert set(public("metrics")) < set(ABOUT)
    assert words("delta_e_region_p95") == "delta E region p95"
