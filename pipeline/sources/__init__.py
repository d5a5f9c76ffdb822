"""One file a dataset format, each with `Config` and `build(config) -> Source`."""
