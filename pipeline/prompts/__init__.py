"""One file a rule that turns a caption into edits, with `Config` and `build(config) -> Rule`."""
