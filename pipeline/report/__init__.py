"""A finished (or running) output → one self-contained HTML page."""
