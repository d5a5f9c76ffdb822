"""Scored rows → metrics.json, table.md and a file of every value. Knows no benchmark."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.evaluation._protocol import STATUSES, Protocol
from pipeline.evaluation._score import Cell, Scored

DASH = "–"


def metrics(
    protocol: Protocol, rows: Sequence[Scored], missing: Mapping[str, str], about: Mapping[str, Any]
) -> dict[str, Any]:
    """All that was measured, for a program: plain JSON, undefined values null."""
    return {
        **about,
        "status": protocol.status,
        "status_means": STATUSES[protocol.status],
        "comparable_if": protocol.comparable,
        "columns": {name: _column(protocol, name, missing) for name in column_names(protocol)},
        "rows": {row.edits.label: _row(protocol, row) for row in rows},
        "published": [
            {"name": p.name, "note": p.note, "values": dict(p.values)} for p in protocol.published
        ],
    }


def column_names(protocol: Protocol) -> list[str]:
    """In the order of the table."""
    return [column.name for column in protocol.every]


def table(
    title: str, protocol: Protocol, rows: Sequence[Scored], missing: Mapping[str, str]
) -> str:
    """For people, in Markdown: ours above, published below, groups after."""
    lines = [f"# {title}", "", f"Status: **{protocol.status}**: {STATUSES[protocol.status]}.", ""]
    lines += [protocol.about, "", f"A published number is comparable if {protocol.comparable}", ""]
    lines += _overall(protocol, rows)
    lines += _groups(protocol, rows)
    lines += ["", *(f"- {name}: {_about(protocol, name)}" for name in column_names(protocol))]
    lines += ["", "Means over finite values, with bootstrapped 95 % intervals."]
    lines += _counted(protocol, rows)
    lines += [f"{DASH} {line}" for line in dict.fromkeys(missing.values())]
    return "\n".join(lines) + "\n"


def values_csv(protocol: Protocol, row: Scored) -> str:
    """Every value, unscaled: a line an edit."""
    names = [column.name for column in protocol.an_edit]
    sink = io.StringIO()
    writer = csv.writer(sink, lineterminator="\n")
    writer.writerow(["id", "group", *names])
    for name, values in sorted(row.values.items()):
        writer.writerow([name, row.groups[name], *(values.get(column, "") for column in names)])
    return sink.getvalue()


def number(value: float) -> str:
    """Four digits, or –."""
    return DASH if not math.isfinite(value) else f"{value:.4g}"


def _overall(protocol: Protocol, rows: Sequence[Scored]) -> list[str]:
    names = column_names(protocol)
    head = ["row", "status", "edits", "dead", *(f"{n}{_arrow(protocol, n)}" for n in names)]
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for row in rows:
        cells = row.cells(protocol)
        facts = [row.edits.about, protocol.status, str(len(row.values)), str(row.lost.total())]
        lines.append(_line([*facts, *(_cell(cells.get(name)) for name in names)]))
    for told in protocol.published:
        values = [number(told.values[n]) if n in told.values else DASH for n in names]
        lines.append(_line([f"published: {told.name}", told.note, DASH, DASH, *values]))
    return lines


def _groups(protocol: Protocol, rows: Sequence[Scored]) -> list[str]:
    names = [column.name for column in protocol.an_edit]
    groups = sorted({group for row in rows for group in row.named()})
    if not groups:
        return []
    head = ["group", "row", "edits", *names]
    lines = ["", "| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for group in groups:
        for row in rows:
            count = len(row.members(group))
            if not count:
                continue
            cells = row.cells(protocol, group)
            values = [_cell(cells.get(name)) for name in names]
            lines.append(_line([group, row.edits.label, str(count), *values]))
    return lines


def _counted(protocol: Protocol, rows: Sequence[Scored]) -> list[str]:
    lines = []
    for row in rows:
        for name, cell in row.cells(protocol).items():
            if cell.nan or cell.inf:
                lines.append(
                    f"- {row.edits.label}, {name}: left out {cell.nan} undefined (NaN) and "
                    f"{cell.inf} infinite of {cell.count + cell.nan + cell.inf}"
                )
        for why, count in row.failed.most_common():
            lines.append(f"- {row.edits.label}, {count} not computed: {why}")
        for kind, count in row.lost.most_common():
            lines.append(f"- {row.edits.label}: {count} not edited: {kind}")
    return lines


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _cell(cell: Cell | None) -> str:
    if cell is None or not math.isfinite(cell.mean):
        return DASH if cell is None or not cell.inf else "∞"
    if not math.isfinite(cell.low):
        return number(cell.mean)
    return f"{number(cell.mean)} ({number(cell.low)} to {number(cell.high)})"


def _column(protocol: Protocol, name: str, missing: Mapping[str, str]) -> dict[str, Any]:
    column: Any = _of(protocol, name)
    needs = getattr(column, "needs", "")
    return {
        "about": column.about,
        "better": column.better,
        "scale": getattr(column, "scale", 1.0),
        "missing": missing.get(needs) if needs else None,
    }


def _of(protocol: Protocol, name: str) -> Any:
    return next(column for column in protocol.every if column.name == name)


def _about(protocol: Protocol, name: str) -> str:
    return str(_of(protocol, name).about)


def _arrow(protocol: Protocol, name: str) -> str:
    return {"higher": " ↑", "lower": " ↓", "": ""}[_of(protocol, name).better]


def _row(protocol: Protocol, row: Scored) -> dict[str, Any]:
    groups = row.named()
    return {
        "about": row.edits.about,
        "edits": len(row.values),
        "dead": row.lost.total(),
        "dead_by_kind": dict(row.lost),
        "failed": dict(row.failed),
        "all": _plain(row.cells(protocol)),
        "groups": {group: _plain(row.cells(protocol, group)) for group in groups},
    }


def _plain(cells: Mapping[str, Cell]) -> dict[str, Any]:
    return {
        name: {key: _finite(value) for key, value in vars(cell).items()}
        for name, cell in cells.items()
    }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
