"""Hostile input: what it is, what must become of it, and a real run over all of it."""
