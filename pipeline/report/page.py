"""Writes `report.html`: one page that needs nothing but itself. Knows no run, only its output.

Captions and keys come from strangers: the template escapes all of them, and the page's own content
policy lets nothing run or load but the one style and the one script whose digests it names.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from itertools import groupby
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup
from PIL import Image

from pipeline.report.collect import Row, Summary, collect
from pipeline.report.distribution import Bin, Distribution
from pipeline.report.pictures import colour_inside, data_uri, overlay, thumbnail
from pipeline.report.texts import Piece, figure, flat, word_changes, words
from pipeline.report.worst import worst
from pipeline.sinks import colours, layout
from pipeline.sinks.output import Output
from pipeline.storage import explained, put

GALLERY = 60
BINS = 24

ABOUT = {
    "mask_area": "share of the picture that is edited",
    "background_psnr": "dB outside of the mask; 100 is identical",
    "background_ssim": "structure outside of the mask; 1 is identical",
    "edit_change": "ΔE2000 inside of the mask; 2 is just visible",
    "delta_e_colour": "ΔE2000 of the product's colour to the one asked for; 2 is just visible",
    "delta_e_region": "ΔE2000 of the edited region to the colour asked for, shade included",
    "delta_e_region_p95": "the same, of the region's 95th percentile",
    "clip_source": "CLIP cosine of source and source text",
    "clip_target": "CLIP cosine of edit and target text",
    "clip_direction": "CLIP cosine of the pictures' and the texts' change",
    "clip_image": "CLIP cosine of both pictures",
    "dino": "DINO cosine of both pictures; 1 is the same",
    "lpips": "distance of both pictures to the eye; 0 is none",
    "model_verdict": "above 0: the model finds the target rather than the source",
    "texture_kept": "fine detail inside of the mask; 1 is unchanged",
}


@dataclass(frozen=True)
class Chart:
    """A histogram as the template draws it: bars' heights are shares of the tallest."""

    name: str
    about: str
    count: int
    low: float
    median: float
    high: float
    quartiles: tuple[float, float]
    bars: list[tuple[float, Bin]]

    @property
    def middle(self) -> float:
        """Where the median stands between the ends, 0..1."""
        return (self.median - self.low) / (self.high - self.low) if self.high > self.low else 0.5


@dataclass(frozen=True)
class Card:
    """One edit of the gallery; pictures are data URIs, None where they don't decode."""

    row: Row
    scores: list[tuple[str, float]]
    prompts: tuple[list[Piece], list[Piece]]  # source, target
    overlay: str | None
    edited: str | None
    colour: str | None  # #rrggbb that was asked for, or else the edit's own inside of the mask
    asked: bool  # whether it was asked for
    delta_e: float | None  # to what was asked for
    worst: float  # 0..1, see `worst`
    verdict: str  # of the stored reviews; empty where there is none


@dataclass(frozen=True)
class Product:
    """One picture and its edits."""

    number: int
    row: Row  # its first edit's
    sku: str
    source: str | None
    cards: list[Card]


def write_report(output: Output, problems: list[str] | None = None, gallery: int = GALLERY) -> str:
    """Writes `report.html`, with about `gallery` edits, into the output folder; returns its path.

    What is damaged or missing is told in `problems`; without them it is raised. Raises UsageError
    where the folder can't be written.
    """
    page = render(collect(output, gallery, problems), output)
    path = f"{output.path}/{layout.REPORT}"
    with explained(path, "write the report"):
        # A path that is not UTF-8 stands in the title.
        put(output.fs, f"{output.root}/{layout.REPORT}", page.encode(errors="replace"))
    return path


def render(summary: Summary, output: Output) -> str:
    """The page of `summary`, what `output` holds."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    environment.filters.update(figure=figure, words=words)
    template = environment.from_string(_text("page.html.j2"))
    style, script = _own("style.css.j2"), _own("script.js.j2")
    return template.render(
        title=output.root.rsplit("/", 1)[-1],
        model=output.model,
        summary=summary,
        charts=[chart(name, d) for name, d in summary.distributions.items() if d.count],
        products=products(summary, output),
        output=output,
        dead=sorted(summary.dead.items(), key=lambda item: -item[1].count),
        settings=flat({"fingerprint": output.fingerprint, **output.settings}),
        style=style,
        script=script,
        policy=f"default-src 'none'; img-src data:; base-uri 'none'; form-action 'none'; "
        f"style-src {_digest(style)}; script-src {_digest(script)}",
    )


def chart(name: str, values: Distribution) -> Chart:
    """The histogram of `values` (never empty)."""
    bins = values.bins(BINS)
    tallest = max(each.count for each in bins)
    quartiles = (values.quantile(0.25), values.quantile(0.75))
    return Chart(
        name=name,
        about=ABOUT.get(name, ""),
        count=values.count,
        low=bins[0].low,
        median=values.quantile(0.5),
        high=bins[-1].high,
        quartiles=quartiles,
        bars=[(each.count / tallest, each) for each in bins],
    )


def products(summary: Summary, output: Output) -> list[Product]:
    """The gallery by picture, in the order of the dataset."""
    ranks = dict(zip((row["id"] for row in summary.gallery), worst(summary.gallery), strict=True))
    groups = groupby(summary.gallery, key=lambda row: (row["shard"], row["key"]))
    return [
        _product(number, list(rows), output, ranks, summary.verdicts)
        for number, (_, rows) in enumerate(groups)
    ]


def _product(
    number: int,
    rows: Sequence[Row],
    output: Output,
    ranks: Mapping[str, float],
    verdicts: Mapping[str, str],
) -> Product:
    source = thumbnail(_bytes(rows[0], "source"))
    cards = [
        card(row, source, output.settings, ranks[row["id"]], verdicts.get(row["id"], ""))
        for row in rows
    ]
    uri = data_uri(source) if source else None
    return Product(number, rows[0], _sku(rows[0]), uri, cards)


def card(
    row: Row, source: Image.Image | None, settings: Mapping[str, Any], rank: float, verdict: str
) -> Card:
    """The gallery's card of one edit; `source` is the thumbnail of its picture."""
    edited, mask = (thumbnail(_bytes(row, name)) for name in ("edited", "mask"))
    scores = [
        (name.removeprefix("score_"), value)
        for name, value in row.items()
        if (name == "mask_area" or name.startswith("score_")) and value is not None
    ]
    covered = overlay(source, mask) if source and mask else None
    asked = colours.exact(row, settings)
    return Card(
        row=row,
        scores=scores,
        prompts=word_changes(row["source_prompt"] or "", row["target_prompt"] or ""),
        overlay=data_uri(covered) if covered else None,
        edited=data_uri(edited) if edited else None,
        colour=asked or row.get("reached") or _own_colour(edited, mask),
        asked=asked is not None,
        delta_e=colours.delta_e(row),
        worst=rank,
        verdict=verdict,
    )


def _own_colour(edited: Image.Image | None, mask: Image.Image | None) -> str | None:
    return colour_inside(edited, mask) if edited and mask else None


def _bytes(row: Row, name: str) -> bytes | None:
    data: bytes | None = (row.get(name) or {}).get("bytes")
    return data


def _sku(row: Row) -> str:
    columns = json.loads(row.get("columns") or "{}")
    return next((str(columns[name]) for name in columns if name.casefold() == "sku"), "")


def _own(name: str) -> Markup:
    return Markup(_text(name))  # noqa: S704 - a file of this package, the same in each page


def _text(name: str) -> str:
    return files("pipeline.report").joinpath(name).read_text(encoding="utf-8").strip()


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
