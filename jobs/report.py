"""Write the report page as a cluster job: `ray job submit … -- python jobs/report.py DIR`."""

import sys

from pipeline.cli import main

if __name__ == "__main__":
    sys.argv[1:1] = ["report"]
    main()
