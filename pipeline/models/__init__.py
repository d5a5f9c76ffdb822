"""One file a model family, each with `Config` and `build(config) -> Denoiser`."""
