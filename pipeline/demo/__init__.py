"""The embedded default: drawn product scenes with ground truth, and the model trained on them."""
