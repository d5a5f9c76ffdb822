"""PIE-Bench (Ju et al., "PnP Inversion", ICLR 2024): 700 pictures, ten kinds of edit.

Layout: `mapping_file.json` beside `annotation_images/`. Its siblings have the same fields: the
TI2I benchmark in the same download (`mapping_file_ti2i_benchmark.json`) and long prompts
(DNA-Bench's `long_mapping_file.json`); give the file itself as --data.
Protocol: evaluation/evaluate.py and matrics_calculator.py of cure-lab/PnPInversion.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.errors import UsageError
from pipeline.evaluation import _measures as measures
from pipeline.evaluation._protocol import Column, Protocol, Published
from pipeline.evaluation._record import (
    Place,
    Record,
    Region,
    file_bytes,
    find,
    need,
    read_json,
    safe,
)
from pipeline.metrics._networks.network import clip_network, dino_network, lpips_network

SIDE = 512
FILES = ("mapping_file.json", "data/mapping_file.json")
TYPES = (
    "0_random",
    "1_change_object",
    "2_add_object",
    "3_delete_object",
    "4_change_content",
    "5_change_pose",
    "6_change_color",
    "7_change_material",
    "8_change_background",
    "9_change_style",
)


def records(place: Place) -> Iterator[Record]:
    """In the file's order. Raises UsageError that names the entry."""
    path = place.file(*FILES)
    entries = read_json(path)
    if not isinstance(entries, dict):
        raise UsageError(f"{path}: expected an object of id → entry")
    for name, entry in entries.items():
        yield _record(path, name, entry)


def _record(path: Path, name: str, entry: Any) -> Record:
    where = f"{path}: {name}"
    image = need(entry, "image_path", where)
    kind = str(entry.get("editing_type_id", ""))
    mask = entry.get("mask")
    _mask(mask, where)  # a broken one is told before anything is edited
    return Record(
        id=safe(name),
        source=lambda: file_bytes(_image(path.parent, image)),
        source_prompt=plain(need(entry, "original_prompt", where, (str, type(None))) or ""),
        target_prompt=plain(need(entry, "editing_prompt", where)),
        group=TYPES[int(kind)] if kind.isdigit() and int(kind) < len(TYPES) else kind,
        mask=partial(_mask, mask, where),
        meta={"path": image},
    )


def plain(prompt: str) -> str:
    """A prompt without the brackets around the words that change."""
    return prompt.replace("[", "").replace("]", "")


def decoded(runs: list[int], side: int = SIDE) -> Region:
    """(side, side) of (start, length) pairs over the rows; 1 is to be edited.

    A run that is too long ends with the picture. The border is 1, as upstream has it, "to avoid
    annotation errors in boundary".
    """
    flat = np.zeros(side * side, bool)
    for start, length in zip(runs[::2], runs[1::2], strict=True):
        flat[start : start + length] = True
    mask = flat.reshape(side, side)
    mask[[0, -1]] = True
    mask[:, [0, -1]] = True
    return mask


def _mask(mask: Any, where: str) -> Region | None:
    """The decoded mask; the HF mirror has the same numbers as one text."""
    if mask is None:
        return None
    try:
        runs = [int(number) for number in (mask.split() if isinstance(mask, str) else mask)]
        if any(number < 0 for number in runs):
            raise ValueError("a number is below 0")
        return decoded(runs)
    except (TypeError, ValueError) as error:
        raise UsageError(f"{where}: mask is not pairs of start and length: {error}") from error


def _image(folder: Path, name: str) -> Path | None:
    return find(folder / "annotation_images", name) or find(folder, name)


def _shown(name: str, *values: float | None) -> Published:
    columns = [column.name for column in COLUMNS]
    order = ("structure", "psnr", "lpips", "mse", "ssim", "clip_whole", "clip_edited")
    told = dict(zip(order, values, strict=True))
    return Published(
        name, {c: v for c in columns if (v := told.get(c)) is not None}, "exact, other models"
    )


COLUMNS = (
    Column(
        "structure",
        measures.structure("0..255"),
        "DINO ViT-B/8 structure distance ×10³ of the whole picture; pixels undivided, as upstream",
        "lower",
        1e3,
        "dino",
    ),
    Column(
        "psnr",
        measures.each(measures.masked_psnr),
        "dB, both pictures × (1 − mask), over the whole frame",
    ),
    Column(
        "lpips",
        measures.masked_lpips,
        "LPIPS (SqueezeNet) ×10³, both pictures × (1 − mask)",
        "lower",
        1e3,
        "lpips",
    ),
    Column(
        "mse",
        measures.each(measures.masked_mse),
        "×10⁴, both pictures × (1 − mask), over the whole frame",
        "lower",
        1e4,
    ),
    Column(
        "ssim",
        measures.each(measures.masked_ssim),
        "×10², both pictures × (1 − mask)",
        "higher",
        1e2,
    ),
    Column(
        "clip_source",
        measures.clip_source,
        "100 × cosine of source picture and source prompt, CLIP ViT-L/14; says nothing of the edit",
        "",
        1e2,
        "clip",
    ),
    measures.CLIP_WHOLE,
    Column(
        "clip_edited",
        measures.clip_text_inside,
        "the same of the edit × mask, black outside",
        "higher",
        1e2,
        "clip",
    ),
    Column(
        "whole_psnr",
        measures.each(measures.whole_psnr("source")),
        "dB between the whole pictures; not PIE-Bench's, but 15.9 may be of this kind",
    ),
)

PROTOCOL = Protocol(
    status="exact",
    about="PIE-Bench: background kept outside of the mask, structure kept, edit like its prompt.",
    records=records,
    columns=COLUMNS,
    comparable="all 700 edits are scored, brackets are stripped from prompts while editing too, "
    "the editor sees no mask, and no paste-back makes the background columns trivial.",
    ranked_by="psnr",
    networks={
        "clip": clip_network("openai/clip-vit-large-patch14"),
        "dino": dino_network("facebook/dino-vitb8"),
        "lpips": lpips_network("squeeze"),
    },
    published=(
        Published(
            "DiffEdit as ranked",
            {"psnr": 15.899},
            "source and settings not found; masked or whole unknown",
        ),
        _shown("P2P-Zero", 51.13, 21.23, 143.87, 135.00, 77.23, 23.36, 21.03),
        _shown("MasaCtrl", 24.47, 22.78, 87.38, 79.91, 81.36, 24.42, 21.38),
        _shown("PnP", 24.29, 22.64, 106.06, 80.45, 79.68, 25.41, 22.62),
        _shown("P2P (PnP Inversion)", 11.64, 27.19, 54.44, 33.15, 84.71, 25.03, 22.13),
        _shown("InfEdit", 13.78, 28.51, 47.58, 32.09, 85.66, 25.03, 22.22),
        _shown("TurboEdit", None, 29.52, 44.74, 26.08, 91.59, 25.05, 22.34),
        _shown("ViMAEdit", 12.82, 28.59, 44.53, 29.96, 86.40, 25.88, 22.81),
        _shown("LOCATEdit", 8.71, 29.16, None, None, None, 26.07, None),
        _shown("FlowEdit SD3", 14.64, 22.46, 103.00, None, 84.08, 25.91, 22.50),
        _shown("DirectEdit FLUX (own masks)", 17.94, 32.63, 35.45, 25.05, None, 25.39, None),
    ),
    panel=SIDE,
    lists=FILES,
)
