"""Safe decoding, colour, resolution buckets, paste-back. Knows no model and no dataset."""
