"""Scored rows → page.html: the table, the worst and the best cases. Knows no benchmark.

Self-contained; prompts and names come from strangers, so the template escapes all of them, and the
page's own policy lets nothing run or load.
"""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import numpy as np
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup
from PIL import Image

from pipeline.evaluation._protocol import STATUSES, Item, Protocol
from pipeline.evaluation._record import Record, Region
from pipeline.evaluation._score import Cell, Scored, items_of
from pipeline.evaluation._table import column_names, number
from pipeline.report.pictures import data_uri, overlay, thumbnail
from pipeline.report.texts import Piece, word_changes

CASES = 8
"""Worst, and as many best."""


@dataclass(frozen=True)
class Shown:
    """One picture of a case, a data URI, and its scores."""

    label: str
    uri: str
    scores: list[tuple[str, str]]


@dataclass(frozen=True)
class Case:
    """One record with all that was made of it."""

    id: str
    group: str
    rank: str
    prompts: tuple[list[Piece], list[Piece]]
    pictures: list[Shown]


def page(
    title: str,
    protocol: Protocol,
    rows: Sequence[Scored],
    records: Sequence[Record],
    missing: Mapping[str, str],
) -> str:
    """The HTML."""
    ranked = _ranked(protocol, rows)
    worst, best = ranked[:CASES], ranked[max(CASES, len(ranked) - CASES) :][::-1]
    found = _cases(protocol, rows, records, dict(worst + best))
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    template = environment.from_string(_text("pipeline.evaluation", "page.html.j2"))
    return template.render(
        title=title,
        protocol=protocol,
        means=STATUSES[protocol.status],
        columns=column_names(protocol),
        rows=[(row, _texts(row.cells(protocol))) for row in rows],
        published=[(p, {n: number(v) for n, v in p.values.items()}) for p in protocol.published],
        missing=list(dict.fromkeys(missing.values())),
        sides=[
            (name, [found[i] for i, _ in side if i in found])
            for name, side in (("Worst", worst), ("Best", best))
        ],
        ranked_by=_rank_column(protocol, rows),
        style=Markup(_text("pipeline.report", "style.css.j2")),  # noqa: S704 - of this package
    )


def _rank_column(protocol: Protocol, rows: Sequence[Scored]) -> str | None:
    """The protocol's own, or the first that was computed."""
    names = [protocol.ranked_by, *column_names(protocol)]
    there = {name for row in rows[:1] for values in row.values.values() for name in values}
    return next((name for name in names if name in there), None)


def _ranked(protocol: Protocol, rows: Sequence[Scored]) -> list[tuple[str, float]]:
    """(record id, value) of the first row, the worst first; values without a rank are left out."""
    name = _rank_column(protocol, rows)
    if name is None:
        return []
    column = next(c for c in protocol.an_edit if c.name == name)
    values = [(i, v[name] * column.scale) for i, v in rows[0].values.items() if name in v]
    finite = [pair for pair in values if math.isfinite(pair[1])]
    return sorted(finite, key=lambda pair: pair[1], reverse=column.better == "lower")


def _cases(
    protocol: Protocol,
    rows: Sequence[Scored],
    records: Sequence[Record],
    ranks: Mapping[str, float],
) -> dict[str, Case]:
    cases: dict[str, Case] = {}
    shown = {row.edits.folder: row for row in reversed(rows)}  # a part of a row shows nothing new
    for row in (row for row in rows if shown[row.edits.folder] is row):
        for item in items_of(protocol, row.edits, records, set(ranks)):
            name = item.record.id
            if name not in cases:
                cases[name] = _begun(item, number(ranks[name]))
            scores = _of_edit(protocol, row.values.get(name, {}))
            cases[name].pictures.append(Shown(row.edits.label, _uri(item.edited), scores))
    return cases


def _begun(item: Item, rank: str) -> Case:
    record = item.record
    pictures = [Shown("source", _uri(item.source), [])]
    for label, region in (("asked for", item.region), ("found", item.found)):
        if region is not None:
            pictures.append(Shown(label, _covered(item, region), []))
    if item.wanted is not None:
        pictures.append(Shown("true edit", _uri(item.wanted), []))
    pictures += [Shown("subject", _uri(reference), []) for reference in item.references[:1]]
    prompts = word_changes(record.source_prompt, record.target_prompt)
    return Case(record.id, record.group, rank, prompts, pictures)


def _of_edit(protocol: Protocol, values: Mapping[str, float]) -> list[tuple[str, str]]:
    columns = [column for column in protocol.an_edit if column.name in values]
    return [(c.name, number(values[c.name] * c.scale)) for c in columns]


def _texts(cells: Mapping[str, Cell]) -> dict[str, tuple[str, str]]:
    """Column → mean, and its interval."""
    return {
        name: (number(cell.mean), f"{number(cell.low)} to {number(cell.high)}")
        for name, cell in cells.items()
    }


def _encoded(picture: Any) -> bytes:
    sink = io.BytesIO()
    Image.fromarray(picture).save(sink, "PNG")
    return sink.getvalue()


def _uri(picture: Any) -> str:
    small = thumbnail(_encoded(picture))
    return data_uri(small) if small else ""


def _covered(item: Item, region: Region) -> str:
    source = thumbnail(_encoded(item.source))
    mask = thumbnail(_encoded(region.astype(np.uint8) * 255))
    return data_uri(overlay(source, mask)) if source and mask else ""


def _text(package: str, name: str) -> str:
    return files(package).joinpath(name).read_text(encoding="utf-8").strip()
