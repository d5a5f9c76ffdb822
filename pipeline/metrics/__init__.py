"""One file a score of an edit, each with `score(source, edited, mask) -> float`."""
