"""Replay dead letters as a cluster job: `ray job submit … -- python jobs/replay.py DIR`."""

import sys

from pipeline.cli import main

if __name__ == "__main__":
    sys.argv[1:1] = ["dead", "replay"]
    main()
