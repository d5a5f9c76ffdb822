"""PASCAL VOC2012's segmented objects, each with one wish from a list of words. Knows no word.

Layout: `VOCdevkit/VOC2012/{ImageSets/Segmentation/val.txt, JPEGImages, SegmentationClass,
SegmentationObject}`. The paper behind the ranking's VOC rows was not found: objects, prompts and
columns are our reading.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline.errors import UsageError
from pipeline.evaluation import _measures as measures
from pipeline.evaluation._protocol import Column, Protocol, Published
from pipeline.evaluation._record import Place, Record, Region, file_bytes, find
from pipeline.metrics._networks.network import clip_network, dino_network, lpips_network

CLASSES = (
    "background",
    "aeroplane",
    "bicycle",
    "bird",
    "boat",
    "bottle",
    "bus",
    "car",
    "cat",
    "chair",
    "cow",
    "dining table",
    "dog",
    "horse",
    "motorbike",
    "person",
    "potted plant",
    "sheep",
    "sofa",
    "train",
    "tv monitor",
)
LEFT_OUT = {"background", "person"}
FLOOR = 0.03
"""Share of the picture below which an object is left out."""


def records(words: Sequence[str], file: str, place: Place) -> Iterator[Record]:
    """One edit an object, the words by turns; `file` in the folder replaces them, one a line."""
    root = next(
        (place.folder / p for p in ("VOCdevkit/VOC2012", "VOC2012", "") if _is_voc(place, p)), None
    )
    if root is None:
        raise UsageError(f"--data: {place.folder}: no ImageSets/Segmentation/val.txt there")
    listed = find(place.folder, file)
    given = listed.read_text(encoding="utf-8").split("\n") if listed else words
    usable = [word.strip() for word in given if word.strip()]
    if not usable:
        raise UsageError(f"{listed}: no word in it")
    for number, (name, label, kind) in enumerate(_objects(root)):
        yield _record(root, name, label, kind, usable[number % len(usable)])


def _is_voc(place: Place, below: str) -> bool:
    return (place.folder / below / "ImageSets/Segmentation/val.txt").is_file()


def _objects(root: Path) -> Iterator[tuple[str, int, str]]:
    """(picture, number of the object in it, class) of each that is large enough."""
    names = (root / "ImageSets/Segmentation/val.txt").read_text().split()
    for name in names:
        objects = _labels(root / "SegmentationObject" / f"{name}.png")
        classes = _labels(root / "SegmentationClass" / f"{name}.png")
        if objects is None or classes is None or objects.shape != classes.shape:
            continue
        for label in range(1, int(objects[objects < 255].max(initial=0)) + 1):
            inside = objects == label
            kind = np.bincount(classes[inside], minlength=1).argmax() if inside.any() else 0
            known = kind < len(CLASSES) and CLASSES[kind] not in LEFT_OUT
            if known and inside.mean() >= FLOOR:
                yield name, label, CLASSES[kind]


def _record(root: Path, name: str, label: int, kind: str, word: str) -> Record:
    path = root / "JPEGImages" / f"{name}.jpg"
    return Record(
        id=f"{name}-{label}",
        picture=name,
        source=partial(file_bytes, path),
        source_prompt=f"a photo of a {kind}",
        target_prompt=f"a photo of a {word} {kind}",
        group=kind,
        mask=partial(_mask, root / "SegmentationObject" / f"{name}.png", label),
        meta={"path": path.name},
    )


def _mask(path: Path, label: int) -> Region | None:
    labels = _labels(path)
    return None if labels is None else labels == label


def _labels(path: Path) -> NDArray[np.uint8] | None:
    """(H, W) numbers of a palette picture; None where there is none."""
    if not path.is_file():
        return None
    try:
        with Image.open(path) as image:
            return np.asarray(image)
    except OSError as error:
        raise UsageError(f"{path}: cannot read it: {error}") from error


COLUMNS = (
    Column(
        "dino_distance",
        measures.structure("0..1"),
        "DINO ViT-B/8 structure distance to the source, unscaled",
        "lower",
        1.0,
        "dino",
    ),
    measures.CLIP_WHOLE,
    Column(
        "lpips",
        measures.masked_lpips,
        "LPIPS (AlexNet) outside of the object",
        "lower",
        1.0,
        "lpips",
    ),
    Column(
        "psnr",
        measures.each(measures.masked_psnr),
        "dB outside of the object, over the whole frame",
    ),
)

NETWORKS = {
    "dino": dino_network("facebook/dino-vitb8"),
    "clip": clip_network("openai/clip-vit-large-patch14"),
    "lpips": lpips_network("alex"),
}


def protocol(what: str, words: Sequence[str], published: float) -> Protocol:
    """The benchmark of these words; `published` is the ranking's DINO distance."""
    file = f"voc-{what}s.txt"
    return Protocol(
        status="own reading",
        about=f"PASCAL VOC2012 val: every object but people of at least {FLOOR:.0%} of its picture "
        f"gets one other {what}, the words by turns; {file} in the folder replaces them.",
        records=partial(records, words, file),
        columns=COLUMNS,
        comparable="its paper is found: prompts, classes and kind of DINO distance are unknown.",
        ranked_by="dino_distance",
        networks=NETWORKS,
        published=(
            Published(
                "DiffEdit as ranked", {"dino_distance": published}, "own reading: not comparable"
            ),
        ),
    )
