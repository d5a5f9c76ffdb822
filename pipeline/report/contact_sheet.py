"""Rows of results → one picture to look at: source | mask | edited. Knows no output folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil
from textwrap import wrap
from typing import Any

from PIL import Image, ImageDraw, ImageFont

from pipeline.report.pictures import overlay, thumbnail
from pipeline.report.texts import figure, words

SIDE = 256
GAP = 8
LINE = 18
TEXT_LINES = 3
WIDTH = 3 * SIDE + 2 * GAP
HEIGHT = SIDE + TEXT_LINES * LINE + GAP
ROWS_HIGH = 4
PAPER, INK, SOFT, DEAD = "#ffffff", "#1b1c1e", "#63666c", "#b3261e"


def contact_sheet(rows: Sequence[Mapping[str, Any]]) -> Image.Image:
    """An RGB picture with one strip a row, in columns of four strips.

    `rows` are result rows (`rows.result_schema`): `image`, `edited` and `mask` encoded. A dead
    letter shows its reason, a row without an edit that there was nothing to do.
    """
    columns = max(1, ceil(len(rows) / ROWS_HIGH))
    height = ceil(len(rows) / columns)
    size = (columns * (WIDTH + 3 * GAP), max(1, height) * (HEIGHT + 2 * GAP))
    sheet = Image.new("RGB", size, PAPER)
    for number, row in enumerate(rows):
        column, line = divmod(number, height)
        sheet.paste(strip(row), (column * (WIDTH + 3 * GAP) + GAP, line * (HEIGHT + 2 * GAP) + GAP))
    return sheet


def strip(row: Mapping[str, Any]) -> Image.Image:
    """Source, mask and edited picture of one row with its prompts below, RGB."""
    picture = Image.new("RGB", (WIDTH, HEIGHT), PAPER)
    source, mask, edited = (thumbnail(row.get(n), SIDE) for n in ("image", "mask", "edited"))
    covered = overlay(source, mask) if source and mask else None
    for place, part in enumerate((source, covered, edited)):
        if part is not None:
            large = _filled(part)
            left = place * (SIDE + GAP) + (SIDE - large.width) // 2
            picture.paste(large, (left, (SIDE - large.height) // 2))
    draw = ImageDraw.Draw(picture)
    font = ImageFont.load_default(LINE - 4)
    for line, (text, colour) in enumerate(_texts(row)[:TEXT_LINES]):
        draw.text((0, SIDE + 4 + line * LINE), text, colour, font)
    return picture


def _filled(picture: Image.Image) -> Image.Image:
    """`picture` with its longer side at `SIDE`: a preview of small photos is still seen."""
    scale = SIDE / max(picture.size)
    width, height = (max(1, round(side * scale)) for side in picture.size)
    return picture.resize((width, height), Image.Resampling.BICUBIC)


def _texts(row: Mapping[str, Any]) -> list[tuple[str, str]]:
    if row.get("error_kind"):
        reason = f"{row['error_stage']}: {row['error_kind']}: {row['error_message']}"
        first = [(f"{row['key']}: {row.get('caption') or 'no caption'}", SOFT)]
        return _lines(first, 1) + _lines([(reason, DEAD)], 2)
    if row.get("edit") is None:
        name = f"{row['key']}: {row.get('caption') or ''}"
        return _lines([(name, SOFT), ("passed: nothing to do", SOFT)], 1)
    scores = [f"mask {100 * (row.get('mask_area') or 0):.1f} %"]
    scores += [
        f"{words(name.removeprefix('score_'))} {figure(value)}"
        for name, value in row.items()
        if name.startswith("score_") and value is not None
    ]
    prompts = [(row["source_prompt"] or "(no source prompt)", SOFT), (row["target_prompt"], INK)]
    return _lines(prompts, 1) + _lines([(" · ".join(scores), SOFT)], 1)


def _lines(texts: Sequence[tuple[str, str]], most: int) -> list[tuple[str, str]]:
    """Each text in at most `most` lines as wide as a strip, by its letters' average width."""
    return [
        (line, colour)
        for text, colour in texts
        for line in wrap(text, WIDTH // 8, max_lines=most, placeholder=" …") or [""]
    ]
