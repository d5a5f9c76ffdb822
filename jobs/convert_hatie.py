"""Makes lines of HATIE's queries, once, by hand: `convert_hatie.py QUERIES.pkl OUT.jsonl`.

A pickle may name code to run; this reader refuses every name, so that plain data alone opens.
"""

from __future__ import annotations

import json
import pickle
import sys
from pathlib import Path
from typing import Any

NOT_QUERIES = (AttributeError, KeyError, TypeError, ValueError, IndexError)


class Plain(pickle.Unpickler):
    """Reads dicts, lists, texts and numbers, and nothing that has a name."""

    def find_class(self, module: str, name: str) -> Any:
        """Raises UnpicklingError: plain data names nothing."""
        raise pickle.UnpicklingError(f"it names {module}.{name}; only plain data is read")


def lines(queries: dict[str, list[dict[str, Any]]]) -> list[dict[str, Any]]:
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


def main(arguments: list[str]) -> int:
    """Exit code: 0 done, 1 not a pickle of queries, 2 usage."""
    if len(arguments) != 2:
        print("usage: python jobs/convert_hatie.py QUERIES.pkl OUT.jsonl", file=sys.stderr)
        return 2
    source, out = map(Path, arguments)
    try:
        with source.open("rb") as file:
            found = lines(Plain(file).load())
    except (
        OSError,
        pickle.UnpicklingError,
        AttributeError,
        KeyError,
        TypeError,
        EOFError,
    ) as error:
        print(f"error: {source}: not HATIE's queries: {error!r}", file=sys.stderr)
        return 1
    out.write_text("".join(json.dumps(line) + "\n" for line in found), encoding="utf-8")
    print(f"{len(found)} records: {out}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
