"""Networks that judge pictures, one a file, shared by benchmarks. Not yet scores of a run."""
