"""Data that was never seen → a config for it. Knows no output and no model."""
