"""PASCAL VOC (val), material editing: our reading, see `_voc`."""

from pipeline.evaluation import _voc

WORDS = ("wooden", "golden", "glass", "stone", "metal", "paper", "leather", "plastic")

PROTOCOL = _voc.protocol("material", WORDS, 0.068)
