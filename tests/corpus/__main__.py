"""`python -m tests.corpus` prints what became of each hostile input as a Markdown page.

Exit code 1 where an outcome is not the expected one.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tests.corpus.cases import CASES
from tests.corpus.run import outcomes
from tests.corpus.table import table
from tests.tiny import make_folder

if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        found = outcomes(CASES, make_folder(Path(name, "model")), Path(name))
    sys.stdout.write(table(found))
    wrong = [case.name for case in CASES if found[case.name] != case.outcomes]
    if wrong:
        sys.exit(f"not as expected: {', '.join(wrong)}")
