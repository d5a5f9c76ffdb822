"""Makes lines of HATIE's queries, once and by hand: `convert_hatie.py QUERIES.pkl OUT.jsonl`.

With a third argument, its editable_objs_mask.pkl, the masks become pictures in masks/ beside
OUT.jsonl.
A pickle may name code to run; this reader refuses every name but those of numpy's arrays, so that
plain data and arrays alone open.
"""

from __future__ import annotations

import json
import pickle
import sys
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

Queries = dict[str, list[dict[str, Any]]]
Lines = list[dict[str, Any]]


ARRAYS = {
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    *((f"numpy.{core}.multiarray", "_reconstruct") for core in ("core", "_core")),
    *((f"numpy.{core}.numeric", "_frombuffer") for core in ("core", "_core")),
    ("_codecs", "encode"),  # of an old pickle's bytes
}


class Plain(pickle.Unpickler):
    """Reads dicts, lists, texts, numbers and arrays, and nothing else that has a name."""

    def find_class(self, module: str, name: str) -> Any:
        """Raises UnpicklingError: plain data names nothing."""
        if (module, name) in ARRAYS:
            return super().find_class(module, name)
        raise pickle.UnpicklingError(f"it names {module}.{name}; only plain data is read")


def region(query: dict[str, Any], objects: dict[Any, Any]) -> Any:
    """Where the query's edit belongs, (H, W) bool: the object that it changes, or all but objects.

    None where it is said nowhere: what is added has no place before, and a style is everywhere.
    """
    kind = query["type"]
    named = {"obj_rep": "original", "attr_chg": "target", "obj_resize": "target"}
    named["obj_remove"] = "target"
    if kind in named:
        there = objects.get(query[named[kind]][0])
        return None if there is None else np.asarray(there["mask"], bool)
    if kind != "bg_chg" or not objects:
        return None
    return ~np.any([np.asarray(each["mask"], bool) for each in objects.values()], axis=0)


def with_masks(found: Lines, queries: Queries, masks: list[dict[str, Any]], folder: Path) -> int:
    """Writes the masks to `folder`, names them in the lines and counts them."""
    by_image = {str(entry["image"]): entry["editable_objs"] for entry in masks}
    listed = ((str(image), query) for image, some in queries.items() for query in some)
    count = 0
    for line, (image, query) in zip(found, listed, strict=True):
        where = region(query, by_image.get(image, {}))
        if where is not None:
            name = f"masks/{line['id']}.png"
            (folder / "masks").mkdir(exist_ok=True)
            Image.fromarray(where.astype(np.uint8) * 255).save(folder / name)
            line["mask"] = name
            count += 1
    return count


def lines(queries: Queries) -> Lines:
    """The records of `pipeline.evaluation.hatie`, pictures in original_images/."""
    return [
        {
            "id": str(query["id"]),
            "image": f"original_images/{image}.jpg",
            "source_prompt": query["original_caption"],
            "target_prompt": query["target_caption"],
            "type": query["type"],
        }
        for image, listed in queries.items()
        for query in listed
    ]


def read(path: Path) -> Any:
    """A pickle's plain data."""
    with path.open("rb") as file:
        return Plain(file).load()


def main(arguments: list[str]) -> int:
    """Exit code: 0 done, 1 not a pickle of queries, 2 usage."""
    if len(arguments) not in (2, 3):
        usage = "usage: python jobs/convert_hatie.py QUERIES.pkl OUT.jsonl [MASKS.pkl]"
        print(usage, file=sys.stderr)
        return 2
    source, out = map(Path, arguments[:2])
    count = 0
    try:
        queries = read(source)
        found = lines(queries)
        for source in map(Path, arguments[2:]):
            count = with_masks(found, queries, read(source), out.parent)
    except (
        OSError,
        pickle.UnpicklingError,
        AttributeError,
        KeyError,
        TypeError,
        ValueError,
        IndexError,
        EOFError,
    ) as error:
        print(f"error: {source}: not as HATIE has it: {error!r}", file=sys.stderr)
        return 1
    out.write_text("".join(json.dumps(line) + "\n" for line in found), encoding="utf-8")
    print(f"{len(found)} records, {count} with a mask: {out}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
