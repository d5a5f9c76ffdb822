"""One file a rule that turns a caption into edits, each with `Config` and `build(config) -> Rule`."""
