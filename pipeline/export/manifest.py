"""Rows → CSV that a spreadsheet opens as text and numbers, never as formulas. Knows no file."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

_FORMULA = tuple("=+-@\t\r\n＝＋－＠")
"""What begins a formula, OWASP's list (CSV injection)."""


def to_csv(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> bytes:
    """UTF-8, a header and a line a row; what a row lacks is empty."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\r\n")  # RFC 4180
    writer.writerow([cell(name) for name in columns])
    writer.writerows([[cell(row.get(name)) for name in columns] for row in rows])
    return out.getvalue().encode("utf-8", "replace")


def cell(value: Any) -> str:
    """Text as it is, but with a ' before what a spreadsheet would take for a formula."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.6g}"
    text = str(value).replace("\0", " ")
    guarded = isinstance(value, str) and text.lstrip().startswith(_FORMULA)
    return f"'{text}" if guarded or text.startswith(("\t", "\r", "\n")) else text
