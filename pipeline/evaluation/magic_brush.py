"""MagicBrush's test set: pictures edited by hand in turns, each with its mask and the true edit.

Layout: `edit_turns.json`, a list of {input, mask, output, instruction}, beside
`global_descriptions.json` (picture's id → file → caption) and `images/<id>/<file>`. A mask is
transparent where the edit is. Turns start from the picture of the turn before, as given (not as
edited by us).
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.errors import UsageError
from pipeline.evaluation import _measures as measures
from pipeline.evaluation._protocol import Column, Protocol
from pipeline.evaluation._record import (
    MAX_PIXELS,
    Pixels,
    Place,
    Record,
    Region,
    file_bytes,
    find,
    need,
    read_json,
    safe,
    seen,
)
from pipeline.images.decode import decode
from pipeline.metrics._networks.network import clip_network, dino_network


def records(place: Place) -> Iterator[Record]:
    """In the file's order."""
    path = place.file("edit_turns.json", "test/edit_turns.json")
    turns, captions = read_json(path), read_json(path.with_name("global_descriptions.json"))
    if not isinstance(turns, list) or not isinstance(captions, dict):
        raise UsageError(f"{path}: expected a list of turns, and an object of captions beside it")
    for number, turn in enumerate(turns):
        yield _record(path, number, turn, captions)


def _record(path: Path, number: int, turn: Any, captions: dict[str, Any]) -> Record:
    where = f"{path}: turn {number}"
    before, after = need(turn, "input", where), need(turn, "output", where)
    name = before.split("-")[0]
    told = captions.get(name)
    if not isinstance(told, dict):
        raise UsageError(f"{path.with_name('global_descriptions.json')}: no captions of {name!r}")
    folder = path.parent / "images" / name
    return Record(
        id=f"{number:04d}-{safe(Path(after).stem)}",
        source=lambda: file_bytes(find(folder, before)),
        source_prompt=str(told.get(before) or ""),
        target_prompt=str(told.get(after) or ""),
        mask=partial(_mask, folder, str(turn.get("mask") or "")),
        wanted=partial(_wanted, folder, after),
        meta={"path": f"{name}/{after}"},
    )


def _mask(folder: Path, name: str) -> Region | None:
    """Where the mask's file is transparent."""
    data = file_bytes(find(folder, name))
    if data is None:
        return None
    alpha = decode(data, MAX_PIXELS).alpha
    return None if alpha is None else np.asarray(alpha < 128)


def _wanted(folder: Path, name: str) -> Pixels | None:
    data = file_bytes(find(folder, name))
    return None if data is None else seen(data)


PROTOCOL = Protocol(
    status="backbone unpublished",
    about="MagicBrush (test, single turns): near the picture that people made.",
    records=records,
    columns=(
        Column("l1", measures.each(measures.mean_error(1, "wanted")), "to the true edit", "lower"),
        Column("l2", measures.each(measures.mean_error(2, "wanted")), "to the true edit", "lower"),
        Column(
            "clip_i",
            measures.clip_image("wanted"),
            "CLIP ViT-B/32 cosine with the true edit",
            needs="clip",
        ),
        Column(
            "dino",
            measures.dino_image("wanted"),
            "DINO CLS cosine with the true edit",
            needs="dino",
        ),
        Column(
            "clip_t",
            measures.clip_text,
            "CLIP ViT-B/32 cosine with the caption of the true edit; its own code takes local "
            "descriptions and feeds CLIP another range",
            needs="clip",
        ),
        Column(
            "psnr",
            measures.each(measures.masked_psnr),
            "dB outside of the mask, over the whole frame; not MagicBrush's",
        ),
    ),
    comparable="all single turns are edited, and the quirk of its CLIP-T is shared.",
    ranked_by="clip_i",
    networks={
        "clip": clip_network("openai/clip-vit-base-patch32"),
        "dino": dino_network("facebook/dino-vits16"),
    },
)
