"""A table beside pictures → its name and the column that names them. Knows no caption."""

from __future__ import annotations

import csv
import io
import json
import posixpath
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from pipeline.init.columns import FILES, rank, texts
from pipeline.sources._files import Files, Info, ShardFile, exact
from pipeline.sources._names import folded, is_picture
from pipeline.sources._table import DELIMITERS, FILE, NAMES

LOOK = 500
"""Rows of a table that are looked at."""
MAX_BYTES = 64 << 20
LEAST = 0.3
"""Share of a column's values that must name pictures."""


@dataclass(frozen=True)
class Feed:
    """A table, and how many of its first rows name a picture by which column."""

    name: str
    file: str | None  # None: no column does
    named: int = 0
    rows: int = 0
    why_not: str = ""  # what keeps the table from being read

    @property
    def plain(self) -> bool:
        """Whether the source reads it without being told."""
        return self.name.lower() in NAMES and self.file == FILE


def feed(files: Files, infos: Sequence[Info]) -> Feed | None:
    """The table whose rows name the most of the pictures; None where there is no table."""
    names = [str(info["name"]) for info in infos]
    pictures = {folded(posixpath.basename(name)) for name in names if is_picture(name)}
    stems = {posixpath.splitext(name)[0] for name in pictures}
    tables = [
        info for info in infos if str(info["name"]).lower().endswith((".csv", ".tsv", ".jsonl"))
    ]
    found = [_looked_at(files, info, pictures, stems) for info in tables[:20]]
    return max(found, key=lambda one: one.named, default=None)


def _looked_at(files: Files, info: Info, pictures: set[str], stems: set[str]) -> Feed:
    name = posixpath.basename(info["name"])
    try:
        with ShardFile(files, info["name"], exact(info)) as file:
            rows = _rows(name, file.read(MAX_BYTES).decode("utf-8-sig"))
    except UnicodeDecodeError:
        return Feed(name, None, why_not="it is not UTF-8 text: save it as CSV UTF-8")
    except (ValueError, csv.Error) as error:
        return Feed(name, None, why_not=" ".join(str(error).split())[:200])
    best = max(
        ((_named(rows, column, pictures, stems), -rank(column, FILES), column)
         for column in dict.fromkeys(column for row in rows for column in row)),
        default=(0, 0, None),
    )  # fmt: skip
    if best[0] < LEAST * len(rows) or not best[0]:
        return Feed(name, None, rows=len(rows), why_not="no column of it names pictures")
    return Feed(name, best[2], best[0], len(rows))


def _rows(name: str, text: str) -> list[dict[str, Any]]:
    if name.lower().endswith(".jsonl"):
        lines = islice((line for line in text.split("\n") if line.strip()), LOOK)
        return [row for row in map(json.loads, lines) if isinstance(row, dict)]
    header = text.split("\n", 1)[0]
    delimiter = max(DELIMITERS, key=header.count)
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter, restkey="")
    return [
        {key.strip(): value for key, value in row.items() if key} for row in islice(reader, LOOK)
    ]


def _named(rows: Sequence[dict[str, Any]], column: str, pictures: set[str], stems: set[str]) -> int:
    names = [posixpath.basename(folded(text)) for text in texts(rows, column)]
    whole = sum(name in pictures for name in names)
    return whole or sum(name in stems for name in names)
