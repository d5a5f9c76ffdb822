"""`python -m tests.corpus` prints what became of each hostile input as a Markdown table."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tests.corpus.cases import CASES, MAX_BYTES, MAX_PIXELS
from tests.corpus.run import outcomes
from tests.tiny import make_folder

HEAD = f"""# Hostile input

What becomes of {len(CASES)} hostile inputs, in one real run for each source. The rows of a case \
are in their order: `edited`, or the kind of the dead letter. The limits of these runs are \
{MAX_BYTES >> 20} MiB and {MAX_PIXELS / 1e6:g} megapixels a picture. Made by \
`python -m tests.corpus > docs/hostile-input.md`; the inputs are in `tests/corpus/cases.py`.

| source | case | input | outcome |
|---|---|---|---|"""


def main() -> int:
    """0 where every outcome is the expected one."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        found = outcomes(CASES, make_folder(folder / "model"), folder)
    print(HEAD)
    wrong = 0
    for case in CASES:
        told = " · ".join(f"`{kind}`" for kind in found[case.name]) or "nothing"
        if found[case.name] != case.outcomes:
            wrong += 1
            told += f" (expected: {', '.join(case.outcomes)})"
        print(f"| {case.source} | {case.name} | {case.what} | {told} |")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
