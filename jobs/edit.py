"""Edit a dataset as a cluster job: `ray job submit … -- python jobs/edit.py CONFIG [KEY=VALUE …]`.

`diffedit run --log`: a line of progress in the log now and then in place of a live bar.
"""

import sys

from pipeline.cli import main

if __name__ == "__main__":
    sys.argv = [sys.argv[0], "run", "--log", *sys.argv[1:]]
    main()
