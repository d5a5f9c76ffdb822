"""ImageNet real-edit (FreePromptEditing, CVPR 2024): "a photo of a <class>" → another class.

Layout: `ImageNet_real_edit.json` (alibaba/EasyNLP, diffusion/FreePromptEditing/datasets): a list of
{image_name, soure_prompt, edit_prompt}, the misspelling is theirs; pictures of ImageNet's
validation set as <wnid>/ILSVRC2012_val_XXXXXXXX.JPEG, or flat as ImageNet ships them. The same
format: `Car_real_edit.json` (Stanford Cars); give that file as --data.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipeline.evaluation import _measures as measures
from pipeline.evaluation._protocol import Column, Protocol, Published
from pipeline.evaluation._record import (
    Place,
    Record,
    file_bytes,
    find,
    listed,
    need,
    read_json,
    safe,
)
from pipeline.metrics._networks.network import clip_network, dino_network

FILE = "ImageNet_real_edit.json"
FOLDERS = ("", "images", "val", "ImageNet", "cars_test", "cars_train")


def records(place: Place) -> Iterator[Record]:
    """In the file's order; a picture of several prompts is one picture."""
    path = place.file(FILE)
    entries = listed(path, read_json(path), "image_name, soure_prompt, edit_prompt")
    for number, entry in enumerate(entries):
        yield _record(path, number, entry)


def _record(path: Path, number: int, entry: Any) -> Record:
    where = f"{path}: entry {number}"
    name = need(entry, "image_name", where)
    source = "soure_prompt" if "soure_prompt" in entry else "source_prompt"
    return Record(
        id=f"{number:05d}-{safe(Path(name).stem)}",
        picture=name,
        source=lambda: file_bytes(_image(path.parent, name)),
        source_prompt=need(entry, source, where),
        target_prompt=need(entry, "edit_prompt", where),
        meta={"path": name},
    )


def _image(folder: Path, name: str) -> Path | None:
    places = [(folder / inner, n) for inner in FOLDERS for n in (name, Path(name).name)]
    return next((found for where, n in places if (found := find(where, n))), None)


COLUMNS = (
    Column(
        "cs",
        measures.clip_text,
        "CS: 100 × cosine of the edit and the target prompt; backbone unpublished, here ViT-L/14",
        "higher",
        1e2,
        "clip",
    ),
    Column(
        "cds",
        measures.clip_direction,
        "CDS: cosine of the pictures' change and the prompts'; NaN without a source prompt",
        "higher",
        1.0,
        "clip",
    ),
    Column(
        "clip_image",
        measures.clip_image("source"),
        "cosine of the edit and the source picture, CLIP; not the paper's",
        "higher",
        1.0,
        "clip",
    ),
    Column(
        "structure",
        measures.structure("0..1"),
        "DINO ViT-B/8 structure distance ×10³ to the source; not the paper's",
        "lower",
        1e3,
        "dino",
    ),
)

NETWORKS = {
    "clip": clip_network("openai/clip-vit-large-patch14"),
    "dino": dino_network("facebook/dino-vitb8"),
}

PROTOCOL = Protocol(
    status="backbone unpublished",
    about="ImageNet real-edit: one class turned into another, told by CLIP.",
    records=records,
    columns=COLUMNS,
    comparable="all 1,092 edits are scored with the CLIP that the paper used, which it does not "
    "name; its pictures were squashed to 512×512, DiffEdit's settings are not told.",
    ranked_by="cs",
    networks=NETWORKS,
    lists=(FILE,),
    published=(Published("DiffEdit (FPE's table)", {"cs": 26.5}, "backbone unpublished"),),
)
