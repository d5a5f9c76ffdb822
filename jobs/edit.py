"""Edit a dataset as a cluster job: `ray job submit … -- python jobs/edit.py CONFIG [KEY=VALUE …]`.

The same run as `diffedit run`, with a line of progress in the log in place of a live bar.
"""

from __future__ import annotations

import signal
import sys
import time

from pipeline.config import load
from pipeline.engine.run import run
from pipeline.engine.tally import Tally
from pipeline.errors import RunError
from pipeline.progress import summary

SECONDS_BETWEEN_LINES = 30


class Log:
    """Prints the counts of a run now and then."""

    def __init__(self) -> None:
        self._next = 0.0

    def __call__(self, tally: Tally) -> None:
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + SECONDS_BETWEEN_LINES
            print(
                f"{tally.rows} images, {tally.written} edits, {tally.dead} dead letters", flush=True
            )


def main(arguments: list[str]) -> int:
    """Exit code of the run: 0 done, else that of the RunError."""
    if not arguments:
        print("usage: python jobs/edit.py CONFIG [KEY=VALUE …]", file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        config = load(arguments[0], arguments[1:])
        print(summary(config, run(config, local=False, verbose=False, watch=Log())))
    except RunError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
