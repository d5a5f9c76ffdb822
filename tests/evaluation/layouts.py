"""Benchmarks in their true layouts, a few records each, drawn from scenes. Knows no test.

With the oddities that the real ones have.
"""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from pipeline.demo.evaluate import Case, cases


def picture(path: Path, case: Case, side: int | tuple[int, int], *, wanted: bool = False) -> Path:
    """The case's photo (or true edit) at `path`, in the format that its name says."""
    path.parent.mkdir(parents=True, exist_ok=True)
    (case.wanted if wanted else case.scene).render(side).save(path)
    return path


def runs(mask: Any) -> list[int]:
    """PIE-Bench's pairs of start and length of a (H, W) mask."""
    flat = np.concatenate([[0], mask.flatten().astype(int), [0]])
    starts, ends = np.flatnonzero(np.diff(flat) == 1), np.flatnonzero(np.diff(flat) == -1)
    return [int(n) for pair in zip(starts, ends - starts, strict=True) for n in pair]


def pie_bench(folder: Path, side: int = 512) -> Path:
    """Four records: brackets and a run that is too long; a mask of all ones; a name in the wrong
    case, in sub-folders; a picture that is not there."""
    three = cases(1)
    images = folder / "annotation_images"
    picture(images / "6_change_attribute_color_40/000000000000.jpg", three[0], side)
    picture(images / "1_change_object_80/000000000001.jpg", three[1], side)
    nested = "8_change_background_80/1_artificial/3_indoor/000000000002"
    picture(images / f"{nested}.JPG", three[2], side)
    long = runs(three[0].true_region(512))
    long[-1] += 10**6

    def entry(case: Case, path: str, kind: int, mask: list[int]) -> dict[str, Any]:
        source, target = case.scene.caption.split(" ", 1), case.wanted.caption
        return {
            "image_path": path,
            "original_prompt": f"[{source[0]}] {source[1]}",
            "editing_prompt": target.replace(" ", " [", 1) + "]",
            "editing_instruction": "change it",
            "editing_type_id": str(kind),
            "blended_word": "",
            "mask": mask,
        }

    mapping = {
        "000000000000": entry(
            three[0], "6_change_attribute_color_40/000000000000.jpg", 6, long
        ),
        "000000000001": entry(
            three[1], "1_change_object_80/000000000001.jpg", 1, [0, 512 * 512]
        ),
        "000000000002": entry(three[2], f"{nested}.jpg", 8, runs(three[2].true_region(512))),
        "000000000003": entry(three[0], "0_random_140/000000000003.jpg", 0, [0, 9]),
    }  # fmt: skip
    (folder / "mapping_file.json").write_text(json.dumps(mapping))
    return folder


def png(pixels: Any) -> bytes:
    """The file of an array."""
    sink = io.BytesIO()
    Image.fromarray(np.asarray(pixels)).save(sink, "PNG")
    return sink.getvalue()


def mask_file(path: Path, region: Any) -> Path:
    """White where the region is."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(region).astype(np.uint8) * 255).save(path)
    return path


def lines(path: Path, entries: Sequence[Any]) -> Path:
    """A JSON Lines file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(entry) + "\n" for entry in entries))
    return path


def imagenet_real_edit(folder: Path) -> Path:
    """ImageNet's file (pictures in their classes' folders, one flat) and the Cars', where one
    picture has two prompts; in both the key is misspelt."""
    one, two, three = cases(1)
    picture(folder / "n02088094/ILSVRC2012_val_00000001.JPEG", one, 64)
    picture(folder / "val/ILSVRC2012_val_00000002.JPEG", two, (96, 64))
    picture(folder / "002657.jpg", three, 64)
    entries = [
        ("n02088094/ILSVRC2012_val_00000001.JPEG", "a photo of a Afghan hound", "a photo of a cat"),
        ("n02088095/ILSVRC2012_val_00000002.JPEG", "a photo of a mug", "a photo of a vase"),
        ("n02088095/ILSVRC2012_val_00000009.JPEG", "a photo of a mug", "a photo of a chair"),
    ]
    cars = [("002657.jpg", "a car", f"a {colour} car") for colour in ("red", "blue")]
    for name, listed in (("ImageNet_real_edit.json", entries), ("Car_real_edit.json", cars)):
        rows = [dict(zip(("image_name", "soure_prompt", "edit_prompt"), e)) for e in listed]  # noqa: B905
        (folder / name).write_text(json.dumps(rows))
    return folder


def wild_ti2i(folder: Path) -> Path:
    """Paths from elsewhere, a name in the wrong case, a missing picture, an entry without one, a
    source prompt here and there."""
    one, two, _ = cases(1)
    picture(folder / "data/mug.jpeg", one, 64)
    picture(folder / "data/Vase.PNG", two, 64)
    (folder / "wild-ti2i-real.yaml").write_text(
        "- init_img: /wild-ti2i/data/mug.jpeg\n"
        "  target_prompts: [a photo of a golden mug, a drawing of a mug]\n"
        "- init_img: /wild-ti2i/data/vase.png\n"
        "  source_prompt: a photo of a vase\n"
        "  target_prompts: [a photo of a red vase]\n"
        "- target_prompts: [a photo of nothing]\n"
    )
    return folder


def dream_edit_bench(folder: Path) -> Path:
    """Two subjects of one class and one of another, two backgrounds each, two references."""
    for kind, number in (("dog", 0), ("backpack", 2)):
        for place in range(2):
            path = folder / f"data/replacement_source/{kind}/found{place}.jpg"
            picture(path, cases(1, 1_000_000 + number + place)[0], 64)
    for subject in ("dog2", "dog8", "backpack_dog"):
        for place in range(2):
            path = folder / f"dataset/{subject}/{place:02d}.jpg"
            picture(path, cases(1, 1_000_010 + place)[0], (80, 64))
    return folder


def imba(folder: Path) -> Path:
    """Two pictures of one stem (so one mask), a mask that is inverted, an alter_mask, a picture
    without a mask."""
    root = folder / "final_dataset_IMBA"
    one, two, three = cases(1)
    for name, case in (("bird.png", one), ("bird.jpeg", two), ("mug.jpg", three)):
        picture(root / "images" / name, case, 64)
    mask_file(root / "masks/bird.png", one.true_region(64))
    mask_file(root / "masks/other.png", two.true_region(64))

    def entry(name: str, thing: str, alter: str | None, retain: bool) -> dict[str, Any]:
        return {
            "img_name": name,
            "target_text": "a convertable mug at the pet enterance",
            "object": thing,
            "alter_mask": alter,
            "retain_object": retain,
            "object_prompt": "mug",
        }

    entries = [
        entry("bird.png", "foreground", None, False),
        entry("bird.jpeg", "background", None, True),
        entry("bird.png", "object", "other", True),
        entry("mug.jpg", "foreground", None, True),
    ]
    (root / "data.json").write_text(json.dumps(entries))
    return folder


def voc(folder: Path) -> Path:
    """Two pictures: a car and a small bottle; a person and a sofa with a void border."""
    root = folder / "VOCdevkit/VOC2012"
    (root / "ImageSets/Segmentation").mkdir(parents=True)
    (root / "ImageSets/Segmentation/val.txt").write_text("2007_000001\n2007_000002\n2007_000003\n")
    car, bottle, person, sofa = 7, 5, 15, 18
    first, second = np.zeros((64, 64), np.uint8), np.zeros((64, 64), np.uint8)
    first[10:40, 10:50], first[60:63, 60:63] = 1, 2
    second[:, :20], second[:, 20:22], second[:, 22:] = 1, 255, 2
    for number, (objects, kinds) in enumerate(
        [(first, {1: car, 2: bottle}), (second, {1: person, 2: sofa})], 1
    ):
        name = f"2007_{number:06d}"
        picture(root / f"JPEGImages/{name}.jpg", cases(1)[number], 64)
        classes = np.where(objects == 255, objects, 0)
        for label, kind in kinds.items():
            classes[objects == label] = kind
        for where, labels in (("SegmentationObject", objects), ("SegmentationClass", classes)):
            path = root / where / f"{name}.png"
            path.parent.mkdir(exist_ok=True)
            image = Image.fromarray(labels.astype(np.uint8))
            image.putpalette(
                [value for colour in range(256) for value in (colour, 0, 255 - colour)]
            )
            image.save(path)
    return folder


def plain(folder: Path) -> Path:
    """Our own lines: one with the true edit, one with a mask, one with neither and a bad path."""
    one, two, three = cases(1)
    picture(folder / "images/one.png", one, 64)
    picture(folder / "images/one-wanted.png", one, 64, wanted=True)
    picture(folder / "images/two.png", two, 64)
    picture(folder.parent / "outside.png", three, 64)
    mask_file(folder / "masks/two.png", two.true_region(64))
    first = {"source_prompt": one.scene.caption, "target_prompt": one.wanted.caption}
    entries = [
        {"image": "images/one.png", "target": "images/one-wanted.png", **first,
         "target_emotion": "awe"},
        {"image": "images/two.png", "mask": "masks/two.png", "target_prompt": two.wanted.caption,
         "target_emotion": "fear"},
        {"image": "../outside.png", "target_prompt": "a way out", "id": "x y/z"},
    ]  # fmt: skip
    lines(folder / "records.jsonl", entries)
    return folder


def emu_edit(folder: Path) -> Path:
    """Two splits as Parquet; one row has no caption before."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    (folder / "data").mkdir(parents=True)
    for split, rows in (("test", cases(1)[:2]), ("validation", cases(1)[2:])):
        entries = [
            {
                "instruction": "change it",
                "image": {"bytes": png(case.scene.render(64)), "path": None},
                "task": ["color", "global"][number % 2],
                "split": split,
                "idx": number,
                "hash": "0",
                "input_caption": case.scene.caption if number else None,
                "output_caption": case.wanted.caption,
            }
            for number, case in enumerate(rows)
        ]
        table = pa.Table.from_pylist(entries)
        pq.write_table(table, folder / f"data/{split}-00000-of-00001.parquet", row_group_size=1)
    return folder


def magic_brush(folder: Path) -> Path:
    """One session of two turns, masks in the alpha channel; the second starts from the first."""
    one, two, _ = cases(1)
    images = folder / "images/123"
    picture(images / "123-input.png", one, 64)
    picture(images / "123-output1.png", one, 64, wanted=True)
    picture(images / "123-output2.png", two, 64, wanted=True)
    for turn, case in ((1, one), (2, two)):
        shown = np.full((64, 64, 4), 255, np.uint8)
        shown[case.true_region(64), 3] = 0
        Image.fromarray(shown).save(images / f"123-mask{turn}.png")
    files = ("123-input.png", "123-output1.png", "123-output2.png")
    texts = (one.scene.caption, one.wanted.caption, two.wanted.caption)
    captions = {"123": dict(zip(files, texts, strict=True))}
    turns = [
        {"input": a, "mask": f"123-mask{n}.png", "output": b, "instruction": "change it"}
        for n, (a, b) in enumerate(pairwise(files), 1)
    ]
    (folder / "global_descriptions.json").write_text(json.dumps(captions))
    (folder / "edit_turns.json").write_text(json.dumps(turns))
    return folder
