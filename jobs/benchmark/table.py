"""A benchmark's report on the screen and as JSON. Knows no benchmark."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

WIDTH = 160
"""Columns where the output is no terminal."""


def show(report: dict[str, Any], json_file: Path | None) -> None:
    """Prints `rows` as a table and all else as lines; writes the same to `json_file`."""
    table = Table(*report["rows"][0])
    for row in report["rows"]:
        table.add_row(*map(_text, row.values()))
    console = Console() if sys.stdout.isatty() else Console(width=WIDTH)
    console.print(table)
    for name, value in report.items():
        if name != "rows":
            console.print(f"{name}: {_text(value)}")
    if json_file is not None:
        json_file.parent.mkdir(parents=True, exist_ok=True)
        json_file.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


def _text(value: object) -> str:
    return "–" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)
