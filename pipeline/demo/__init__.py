"""The embedded default: drawn product scenes with ground truth and the small model trained on them."""
