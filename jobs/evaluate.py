"""Evaluate as a cluster job: `ray job submit … -- python jobs/evaluate.py PROTOCOL …`."""

import sys

from pipeline.cli import main

if __name__ == "__main__":
    sys.argv[1:1] = ["evaluate"]
    main()
