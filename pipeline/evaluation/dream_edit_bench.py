"""DreamEditBench, subject replacement (DreamEdit, TMLR 2023): 30 subjects × 10 backgrounds.

Layout: `data/replacement_source/<type>/found0..9.jpg` (HF tianleliphoebe/DreamEditBench) beside
the references `dataset/<subject>/*.jpg` (github google/dreambooth). Of each subject's class the ten
pictures are edited, "photo of a <class>" to "photo of a sks <class>", the word that DreamBooth ties
to its subject: a model is tuned on each, so run this once a subject, with its folder alone.
Protocol: src/auto_evaluation.py and src/metrics of DreamEditBenchTeam/DreamEdit.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from torch import Tensor

from pipeline.errors import UsageError
from pipeline.evaluation import _measures as measures
from pipeline.evaluation._protocol import Column, Combined, Protocol, Published, Values
from pipeline.evaluation._record import (
    Pixels,
    Place,
    Record,
    file_bytes,
    pictures_in,
    safe,
    seen,
)
from pipeline.metrics._networks.network import clip_network, dino_network

SOURCES = ("data/replacement_source", "replacement_source")
REFERENCES = ("dataset", "dreambooth/dataset", "references", "data/dreambooth")
WORD = "sks"
SQUARE = 512
"""To which upstream brings pictures before DINO prepares them."""
LEAST = 0.001
"""What upstream clips negative similarities to, before their geometric mean."""


def records(place: Place) -> Iterator[Record]:
    """Subject by subject. Raises UsageError where there are none of either kind of folder."""
    sources = _folder(place.folder, SOURCES, "the pictures to edit")
    subjects = _folder(place.folder, REFERENCES, "the subjects' own pictures")
    for subject in sorted(path for path in subjects.iterdir() if path.is_dir()):
        references, pictures = pictures_in(subject), _replaced(sources, subject.name)
        if not references or not pictures:
            lacking = subject if not references else sources / kind(subject.name)
            raise UsageError(
                f"{lacking}: no pictures there, which the subject {subject.name} needs"
            )
        for path in pictures:
            yield _record(subject.name, references, path)


def kind(subject: str) -> str:
    """The class that a subject's pictures replace: dog8 → dog, backpack_dog → backpack."""
    plain = re.sub(r"\d+$", "", subject)
    return "backpack" if plain == "backpack_dog" else plain


def _replaced(sources: Path, subject: str) -> list[Path]:
    found = pictures_in(sources / kind(subject))
    return found or (pictures_in(sources / "sneaker") if subject.endswith("_sneaker") else [])


def _record(subject: str, references: list[Path], path: Path) -> Record:
    words = kind(subject).replace("_", " ")
    return Record(
        id=f"{safe(subject)}-{safe(path.stem)}",
        picture=str(path),
        source=partial(file_bytes, path),
        source_prompt=f"photo of a {words}",
        target_prompt=f"photo of a {WORD} {words}",
        group=subject,
        references=lambda: [seen(reference.read_bytes()) for reference in references],
        meta={"path": f"{subject}/{path.name}"},
    )


def _folder(data: Path, names: Sequence[str], what: str) -> Path:
    for name in names:
        if (data / name).is_dir():
            return data / name
    raise UsageError(f"--data: {data}: none of the folders {', '.join(names)} ({what})")


def _dino(network: Any, pictures: Sequence[Pixels]) -> Tensor:
    found: Tensor = network.cls(pictures, SQUARE)
    return found


def _clip(network: Any, pictures: Sequence[Pixels]) -> Tensor:
    found: Tensor = network.images(pictures)
    return found


def overall(name: str, about: str, *columns: str) -> Combined:
    """The geometric mean of these columns, negatives clipped as upstream does."""

    def combine(values: Values) -> float:
        return math.prod(max(values[c], LEAST) for c in columns) ** (1 / len(columns))

    return Combined(name, tuple(set(columns)), combine, about)


PROTOCOL = Protocol(
    status="exact",
    about="DreamEditBench replacement: the subject in another picture, its background kept.",
    records=records,
    columns=(
        Column(
            "dino_sub",
            measures.to_references(_dino),
            "DINO ViT-S/16 CLS cosine with the subject's pictures, mean over all of them",
            needs="dino",
        ),
        Column(
            "dino_back",
            measures.dino_image("source", SQUARE),
            "DINO ViT-S/16 CLS cosine with the source picture",
            needs="dino",
        ),
        Column(
            "clip_sub",
            measures.to_references(_clip),
            "CLIP ViT-B/32 cosine with the subject's pictures, mean over all of them",
            needs="clip",
        ),
        Column(
            "clip_back",
            measures.clip_image("source"),
            "CLIP ViT-B/32 cosine with the source picture",
            needs="clip",
        ),
    ),
    combined=(
        overall(
            "overall",
            "upstream's: an edit's geometric mean with DINO-back twice and CLIP-back never",
            *("dino_sub", "clip_sub", "dino_back", "dino_back"),
        ),
        overall(
            "overall_corrected",
            "an edit's geometric mean of all four",
            *("dino_sub", "clip_sub", "dino_back", "clip_back"),
        ),
    ),
    comparable="the model is tuned on each subject (DreamBooth), as DreamEdit's own DiffEdit was: "
    "a text alone does not know the subject. All 300 edits are scored; upstream's were cut out of "
    "a JPEG sheet.",
    ranked_by="dino_sub",
    networks={
        "clip": clip_network("openai/clip-vit-base-patch32"),
        "dino": dino_network("facebook/dino-vits16"),
    },
    published=(
        Published("DiffEdit as ranked (swapping)", {"dino_sub": 0.51}, "its table was not seen"),
        Published(
            "DreamBooth (MCA-Ctrl's table)",
            {"dino_sub": 0.640, "dino_back": 0.427, "clip_sub": 0.811, "clip_back": 0.736},
            "exact, another model",
        ),
        Published(
            "PhotoSwap (MCA-Ctrl's table)",
            {"dino_sub": 0.631, "dino_back": 0.607, "clip_sub": 0.789, "clip_back": 0.798},
            "exact, another model",
        ),
        Published(
            "MCA-Ctrl",
            {"dino_sub": 0.643, "dino_back": 0.678, "clip_sub": 0.811, "clip_back": 0.868},
            "exact, another model",
        ),
    ),
)
