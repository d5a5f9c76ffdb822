"""What became of each hostile input, as the Markdown page in docs/hostile-input.md."""

from __future__ import annotations

from tests.corpus.cases import CASES, MAX_BYTES, MAX_PIXELS
from tests.corpus.run import Outcomes

HEAD = f"""# Hostile input

What becomes of {len(CASES)} hostile inputs, in one real run for each source. The rows of a case \
are in their order: `edited`, or the kind of the dead letter. The limits of these runs are \
{MAX_BYTES >> 20} MiB and {MAX_PIXELS / 1e6:g} megapixels a picture. Made by \
`python -m tests.corpus > docs/hostile-input.md`; the inputs are in `tests/corpus/cases.py`.

| source | case | input | outcome |
|---|---|---|---|
"""


def table(found: Outcomes) -> str:
    """The page for these outcomes."""
    lines = []
    for case in CASES:
        told = " · ".join(f"`{kind}`" for kind in found[case.name]) or "nothing"
        lines.append(f"| {case.source} | {case.name} | {case.what} | {told} |\n")
    return HEAD + "".join(lines)
