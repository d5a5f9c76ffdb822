"""One file a score of an edit, each with `score(pair: Pair) -> float`."""
