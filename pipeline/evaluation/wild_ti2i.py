"""Wild-TI2I (Plug-and-Play, CVPR 2023), real pictures: one picture, several target prompts.

Layout: `wild-ti2i-real.yaml`, a list of {init_img, target_prompts}, beside `data/`; pictures are
found by their base name, whatever the case. The same format: `imagenetr-ti2i.yaml` (give it as
--data), which has a source_prompt here and there. Pictures that must be generated first (the fake
sets) are refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipeline.errors import UsageError
from pipeline.evaluation._protocol import Protocol, Published
from pipeline.evaluation._record import (
    Place,
    Record,
    file_bytes,
    find,
    listed,
    need,
    read_yaml,
    safe,
)
from pipeline.evaluation.imagenet_real_edit import COLUMNS, NETWORKS

FILES = ("wild-ti2i-real.yaml", "wild-ti2i/wild-ti2i-real.yaml")


def records(place: Place) -> Iterator[Record]:
    """In the file's order."""
    path = place.file(*FILES)
    entries = listed(path, read_yaml(path), "init_img and target_prompts")
    for number, entry in enumerate(entries):
        yield from _records(path, number, entry)


def _records(path: Path, number: int, entry: Any) -> Iterator[Record]:
    where = f"{path}: entry {number}"
    if isinstance(entry, dict) and "init_img" not in entry and "seed" in entry:
        raise UsageError(f"{where}: its source is to be generated; only real pictures are edited")
    name = Path(str(entry.get("init_img") or "missing")).name if isinstance(entry, dict) else ""
    prompts = need(entry, "target_prompts", where, list)
    for place, prompt in enumerate(prompts):
        yield Record(
            id=f"{number:04d}-{safe(Path(name).stem)}-{place}",
            picture=f"{number}-{name}",
            source=lambda: file_bytes(_image(path.parent, name)),
            source_prompt=str(entry.get("source_prompt") or ""),
            target_prompt=str(prompt or ""),
            meta={"path": name},
        )


def _image(folder: Path, name: str) -> Path | None:
    return find(folder / "data", name) or find(folder, name)


PROTOCOL = Protocol(
    status="backbone unpublished",
    about="Wild-TI2I (real): pictures from anywhere edited by text, told by CLIP.",
    records=records,
    columns=COLUMNS,
    comparable="it is CS as in FPE's table with the CLIP that FPE used, which it does not name; "
    "beware of CLIPScore × 2.5, another scale. Without source prompts DiffEdit's masks contrast "
    "the target with the empty text, and CDS is not defined.",
    ranked_by="cs",
    networks=NETWORKS,
    lists=FILES,
    published=(Published("DiffEdit (FPE's table)", {"cs": 26.33}, "backbone unpublished"),),
)
