"""PASCAL VOC (val), colour editing: our reading, see `_voc`."""

from pipeline.evaluation import _voc

WORDS = ("red", "blue", "green", "yellow", "purple", "orange", "white", "black")

PROTOCOL = _voc.protocol("colour", WORDS, 0.061)
