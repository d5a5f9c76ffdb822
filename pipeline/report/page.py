"""Writes `report.html`: one page that needs nothing but itself. Knows no run, only its output.

Captions and keys come from strangers: the template escapes all of them, and the page's own content
policy lets nothing run or load but the one style and the one script whose digests it names.
"""

from __future__ import annotations

import base64
import difflib
import hashlib
import re
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from fsspec import AbstractFileSystem
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from pipeline.report.collect import Row, Summary, collect
from pipeline.report.distribution import Bin, Distribution
from pipeline.report.pictures import data_uri, overlay, thumbnail
from pipeline.storage import explained

GALLERY = 60
BINS = 24

ABOUT = {
    "mask_area": "share of the picture that is edited",
    "background_psnr": "dB outside of the mask; 100 is identical",
    "background_ssim": "structure outside of the mask; 1 is identical",
    "edit_change": "ΔE2000 inside of the mask; 2 is just visible",
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
    number: int
    scores: list[tuple[str, float]]
    prompts: tuple[list[tuple[str, bool]], list[tuple[str, bool]]]
    source: str | None
    overlay: str | None
    edited: str | None


def write_report(fs: AbstractFileSystem, root: str) -> str:
    """Writes `report.html` into the output folder `root` and returns its path.

    Raises UsageError where `root` holds no run or can't be written.
    """
    page = render(collect(fs, root, GALLERY), root.rstrip("/").rsplit("/", 1)[-1])
    path = f"{root}/report.html"
    with explained(path, "write the report"):
        fs.pipe_file(path, page.encode())
    return path


def render(summary: Summary, title: str) -> str:
    """The page of `summary`."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    environment.filters.update(figure=figure, words=words)
    template = environment.from_string(_text("page.html.j2"))
    style, script = _own("style.css.j2"), _own("script.js.j2")
    return template.render(
        title=title,
        summary=summary,
        charts=[chart(name, d) for name, d in summary.distributions.items() if d.count],
        cards=[card(row, number) for number, row in enumerate(summary.gallery)],
        dead=sorted(summary.dead.items(), key=lambda item: -item[1].count),
        settings=list(flat(summary.run)),
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


def card(row: Row, number: int) -> Card:
    """The gallery's card of one edit."""
    source, edited, mask = (
        thumbnail(row[name]["bytes"] if row[name] else None)
        for name in ("source", "edited", "mask")
    )
    scores = [
        (name.removeprefix("score_"), value)
        for name, value in row.items()
        if (name == "mask_area" or name.startswith("score_")) and value is not None
    ]
    covered = overlay(source, mask) if source and mask else None
    return Card(
        row=row,
        number=number,
        scores=scores,
        prompts=word_changes(row["source_prompt"] or "", row["target_prompt"] or ""),
        source=data_uri(source) if source else None,
        overlay=data_uri(covered) if covered else None,
        edited=data_uri(edited) if edited else None,
    )


def word_changes(before: str, after: str) -> tuple[list[tuple[str, bool]], list[tuple[str, bool]]]:
    """Both prompts in pieces, each with whether it differs from the other prompt."""
    old, new = (re.findall(r"\s+|\S+", text) for text in (before, after))
    matcher = difflib.SequenceMatcher(None, old, new, autojunk=False)
    first, second = [], []
    for operation, a, b, c, d in matcher.get_opcodes():
        first.append(("".join(old[a:b]), operation != "equal"))
        second.append(("".join(new[c:d]), operation != "equal"))
    return [piece for piece in first if piece[0]], [piece for piece in second if piece[0]]


def flat(settings: Any, path: str = "") -> list[tuple[str, str]]:
    """Nested settings as (key.path, value) pairs."""
    if isinstance(settings, dict) and settings:
        return [pair for key, value in settings.items() for pair in flat(value, f"{path}.{key}")]
    return [(path.removeprefix("."), "–" if settings is None else str(settings))]


def figure(value: float) -> str:
    """A number as a person reads it: 12,345 · 0.042 · 31.6."""
    if isinstance(value, int) or float(value).is_integer():
        return f"{int(value):,}"
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"


def words(name: str) -> str:
    """A score's name as a person writes it: background_psnr → background PSNR."""
    spelt = {"psnr": "PSNR", "ssim": "SSIM", "clip": "CLIP", "lpips": "LPIPS"}
    return " ".join(spelt.get(word, word) for word in name.split("_"))


def _own(name: str) -> Markup:
    return Markup(_text(name))  # noqa: S704 - a file of this package, the same in each page


def _text(name: str) -> str:
    return files("pipeline.report").joinpath(name).read_text(encoding="utf-8").strip()


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
