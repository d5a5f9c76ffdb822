"""The embedded default: product scenes with ground truth, and the small model trained on them."""
