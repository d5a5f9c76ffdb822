"""IMBA (CPAM, IEEE TMM 2026): 104 edits of some 45 pictures, with masks and what is to be kept.

Layout: `final_dataset_IMBA/{data.json, images/, masks/}` of vdkhoi20/CPAM. There is no source
caption. The mask is `masks/<alter_mask, else the picture's stem>.png`; of an edit of the
"background" it is inverted. bird.png and bird.jpeg share a stem, hence a mask: so upstream.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from pipeline.evaluation import _measures as measures
from pipeline.evaluation._protocol import Column, Item, Protocol, Published
from pipeline.evaluation._record import (
    Place,
    Record,
    file_bytes,
    find,
    find_stem,
    image_mask,
    listed,
    need,
    read_json,
    safe,
)
from pipeline.metrics._networks.network import clip_network, dino_network, lpips_network


def records(place: Place) -> Iterator[Record]:
    """In the file's order."""
    path = place.file("data.json", "final_dataset_IMBA/data.json")
    entries = listed(path, read_json(path), "img_name, target_text, object …")
    for number, entry in enumerate(entries):
        yield _record(path, number, entry)


def _record(path: Path, number: int, entry: Any) -> Record:
    where = f"{path}: entry {number}"
    name = need(entry, "img_name", where)
    stem = entry.get("alter_mask") or Path(name).stem
    background = entry.get("object") == "background"
    return Record(
        id=f"{number:03d}-{safe(Path(name).stem)}",
        picture=name,
        source=lambda: file_bytes(_image(path.parent, name)),
        target_prompt=need(entry, "target_text", where),
        group="background" if background else "foreground",
        mask=partial(_mask, path.parent, str(stem), background),
        meta={"path": name, "retain": bool(entry.get("retain_object"))},
    )


def _image(folder: Path, name: str) -> Path | None:
    return find(folder / "images", name) or find_stem(folder / "images", name)


def _mask(folder: Path, stem: str, invert: bool) -> Any:
    return image_mask(find(folder / "masks", f"{stem}.png"), invert)


def _kept(items: Sequence[Item], network: Any) -> list[float]:
    """Of rows that say the object is to be kept; others are not asked."""
    asked = [item if item.record.meta["retain"] else None for item in items]
    found = iter(measures.inside_similarity([i for i in asked if i is not None], network))
    return [measures.NAN if item is None else next(found) for item in asked]


PROTOCOL = Protocol(
    status="backbone unpublished",
    about="IMBA: the edit like its prompt, the background as it was.",
    records=records,
    columns=(
        Column(
            "clip_score",
            measures.clip_text,
            "100 × cosine of the edit and the target prompt; backbone unpublished, here ViT-L/14",
            "higher",
            1e2,
            "clip",
        ),
        Column(
            "lpips_background",
            measures.masked_lpips,
            "LPIPS (AlexNet) outside of the mask, which is multiplied away; the paper's net and "
            "rule are unpublished, and its numbers changed between versions",
            "lower",
            1.0,
            "lpips",
        ),
        Column(
            "background_psnr",
            measures.each(measures.masked_psnr),
            "dB outside of the mask, over the whole frame; not the paper's",
        ),
        Column(
            "object_kept_proxy",
            _kept,
            "our proxy, not the study's object retention: DINO cosine of edit and source inside of "
            "the mask, rows with retain_object only",
            "higher",
            1.0,
            "dino",
        ),
    ),
    comparable="CLIP's and LPIPS's networks and the masking are the paper's, which it does not "
    "tell; its DiffEdit may have been given the masks.",
    ranked_by="clip_score",
    networks={
        "clip": clip_network("openai/clip-vit-large-patch14"),
        "lpips": lpips_network("alex"),
        "dino": dino_network("facebook/dino-vits16"),
    },
    published=(
        Published(
            "DiffEdit (CPAM's page)",
            {"clip_score": 28.58, "lpips_background": 0.148},
            "backbone unpublished",
        ),
        Published("CPAM", {"clip_score": 29.26, "lpips_background": 0.149}, "backbone unpublished"),
        Published(
            "LEDITS++", {"clip_score": 28.74, "lpips_background": 0.141}, "backbone unpublished"
        ),
        Published("FPE", {"clip_score": 29.02, "lpips_background": 0.152}, "backbone unpublished"),
    ),
)
