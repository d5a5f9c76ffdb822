"""What was found in the data → a YAML config with comments. Knows no file."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from typing import Any

import yaml

from pipeline.errors import RowError
from pipeline.init.look import Looked, told
from pipeline.prompts import recolor, swap
from pipeline.prompts._lists import LISTS
from pipeline.section import build

PAPER = """mask:
  threshold: 0.5 # these four are the paper's, for Stable Diffusion
invert:
  encoding_ratio: 0.7
"""
DEMO = (
    "the embedded model, which knows drawn scenes only; for photos give a Hugging Face id or folder"
)


def to_yaml(found: Looked, use: str, model: str) -> str:
    """A config that runs as it is; what it guessed, and what it cannot tell, is in its comments."""
    return "\n".join(
        [*_head(found), *_input(found), *_prompts(found, use), *_rest(found, use, model)]
    )


def _head(found: Looked) -> Iterator[str]:
    unit = {"webdataset": "tar shards", "parquet": "Parquet files", "folder": "pictures"}
    yield _comment(f"Written by `diffedit init {found.path}`: {found.files} {unit[found.type]}, "
                   f"{len(found.members)} rows looked at.")  # fmt: skip
    if found.sizes:
        sides = [f"{width}×{height}" for width, height in sorted(set(found.sizes))]
        sizes = sides[0] if len(sides) == 1 else f"{sides[0]} to {sides[-1]}"
        yield _comment(f"Pictures: {sizes} pixels; {found.transparent} of {len(found.sizes)} "
                       "looked at are partly transparent (PNG and WebP keep it).")  # fmt: skip
    for kind, count in found.also.items():
        yield _comment(f"Also there and not read: {count} files of type {kind}.")
    yield _comment("Next: diffedit plan run.yaml, diffedit preview run.yaml, diffedit run run.yaml")


def _input(found: Looked) -> Iterator[str]:
    yield "input:"
    yield f"  type: {found.type}"
    yield f"  path: {_value(found.path)}"
    yield from _storage(found, found.path)
    if found.image and found.image != "image":
        yield f"  image: {_value(found.image)} {_comment('the column that holds pictures')}"
    table = told(found.feed)
    if found.feed and table:
        yield f"  table: {_value(table['table'])}"
        yield f"  file_name: {_value(table['file_name'])} " + _comment(
            f"guessed: {found.feed.named} of {found.feed.rows} rows name a picture so"
        )
    yield from _unread(found)
    yield from _caption(found)


def _unread(found: Looked) -> Iterator[str]:
    """Tables that say nothing of the pictures, and why."""
    table, way = found.feed, "give table: and file_name:, its column that names pictures beside it"
    if table and not table.file:
        yield "  " + _comment(f"table {table.name} is not used: {table.why_not}; to use it {way}")
    elif table and 2 * found.joined < len(found.members):
        yield "  " + _comment(
            f"table {table.name} names few of the pictures from where it is: put it beside them, "
            f"or write their folder before the names in column {table.file}"
        )
    if found.near and not table:
        yield "  " + _comment(
            f"a table {found.near} lies beside the folder: put it into the folder to have it read"
        )


def _caption(found: Looked) -> Iterator[str]:
    there = _comment(f"columns: {', '.join(found.names) or 'none'}")
    if not found.captioned:
        if found.type == "parquet":
            yield "  caption: null"
        yield "  " + _comment("caption: which column holds the titles? It could not be told.")
    elif found.caption is not None:
        yield f"  caption: {_value(found.caption)} {_comment('guessed')}"
    yield f"  {there}"


def _prompts(found: Looked, use: str) -> Iterator[str]:
    yield "prompts:"
    if use == "counterfactual":
        yield from _swap(found)
        return
    config = _recolor(found)
    yield "  type: recolor " + _comment(_planned(found, recolor.Config(), "titles name a colour"))
    yield "  colours: [red, blue, green, black] " + _comment(
        'the colours you sell; exact: {name: navy, hex: "#1f2a44"}'
    )
    if found.colour:
        yield f"  source_colour: {_value(found.colour)} " + _comment(
            f"guessed; {_planned(found, recolor.Config(**config), 'rows can be planned with it')}"
        )
        if found.noun:
            yield f"  object: {_value(found.noun)} {_comment('guessed: it stands in the titles')}"
    else:
        yield "  " + _comment("no column of the product's colour was found; titles alone tell it")
    yield "  on_missing: dead " + _comment("pass: leave titles without a colour as they are")


def _recolor(found: Looked) -> dict[str, Any]:
    """Columns that the rule can be given."""
    if not found.colour:
        return {}
    return {"source_colour": found.colour, **({"object": found.noun} if found.noun else {})}


def _swap(found: Looked) -> Iterator[str]:
    config = swap.Config(groups=tuple(LISTS))
    yield "  type: swap " + _comment(_planned(found, config, "captions have such a word"))
    yield f"  groups: {_value(list(LISTS))} " + _comment("words of a group replace each other")
    yield "  variants: 3 " + _comment("a picture")
    yield "  on_missing: pass " + _comment("captions without such a word are left as they are")


def _planned(found: Looked, config: Any, what: str) -> str:
    """How many rows the rule can plan, and why not the others."""
    rule, ended = build(config), Counter[str]()
    for member, caption in zip(found.members, found.captions, strict=True):
        try:
            ended["planned" if rule.plan(caption or None, member.columns) else "passed"] += 1
        except RowError as error:
            ended[error.kind] += 1
    planned = ended.pop("planned", 0)
    why = ", ".join(f"{count} {kind}" for kind, count in ended.most_common(4))
    return f"{planned} of {len(found.members)} {what}{'; the others: ' + why if why else ''}"


def _rest(found: Looked, use: str, model: str) -> Iterator[str]:
    recolour, demo = use == "recolour", model == "demo"
    yield "model:\n  type: stable_diffusion"
    yield f"  path: {_value(model)}" + (f" {_comment(DEMO)}" if demo else "")
    mask, invert = ("mask:", "") if demo else PAPER.rstrip().split("invert:")
    if recolour or not demo:
        yield mask.rstrip()
    if recolour:
        yield "  noise_maps: 2 " + _comment("as the steps: only a colour is taken of the edit")
    if not demo:
        yield f"invert:{invert}"
    yield "edit:"
    yield f"  steps: {12 if recolour else 20} " + _comment("50: the paper's; slower, seldom better")
    if not demo:
        yield "  guidance_scale: 7.5\n  guidance_stop: 1"
    if recolour:
        yield "  paste_back: recolor " + _comment("the edit's colour, the photo's own detail")
    yield "check:\n  scores: [background_psnr, edit_change]"
    keep = "keep: {mask_area: {min: 0.01, max: 0.6}, edit_change: {min: 2}}"
    yield f"  {'# ' if recolour else ''}{keep} {_comment('edits outside are dead letters')}"
    what = "recoloured" if recolour else "counterfactual"
    place = _output(found, what)
    yield f"output:\n  path: {_value(place)}"
    yield from _storage(found, place)
    yield "run:\n  chunk_rows: 16\n"


def _storage(found: Looked, path: str) -> Iterator[str]:
    if found.endpoint_url and path.startswith("s3://"):
        yield f"  storage: {{endpoint_url: {_value(found.endpoint_url)}}}"


def _output(found: Looked, what: str) -> str:
    """A place beside the input, never in it."""
    path = found.path.split("*", 1)[0]
    head = path.rstrip("/")
    if path.startswith("hf://"):  # where nothing is written
        return f"out/{what}"
    if "://" in path:
        inside = head.split("://", 1)[1].partition("/")[2]
        return f"{head}-{what}" if inside else f"out/{what}"
    full = os.path.abspath(head or path)  # noqa: PTH100 - links stay as the user wrote them
    plain = os.path.normpath(head) if head else full
    if plain == os.curdir or plain.endswith(os.pardir) or full == os.sep:
        plain = f"{full.rstrip(os.sep)}"
    return f"{os.path.splitext(plain)[0] if os.path.isfile(plain) else plain}-{what}"  # noqa: PTH122, PTH113


def _value(value: Any) -> str:
    """YAML in one line."""
    text = yaml.safe_dump([value], default_flow_style=True, allow_unicode=True, width=1 << 30)
    return text.strip()[1:-1]


def _comment(text: str) -> str:
    """In one line: nothing in the data can end it."""
    plain = "".join(c if c.isprintable() else " " for c in text)
    return f"# {plain if len(plain) <= 400 else plain[:399] + '…'}"
