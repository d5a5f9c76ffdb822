"""`jobs.benchmark augment` at the smallest size, and the classifier that it trains."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jobs.benchmark import augment, classifier


def test_the_data_tie_kind_to_colour_and_the_test_does_not() -> None:
    tied = Counter((s.thing.object, s.thing.colour) for s in augment._tied(32))
    assert {kind: {c for k, c in tied if k == kind} for kind, _ in tied} == {
        kind: set(pair) for kind, pair in augment.TIES.items()
    }
    assert set(tied.values()) == {4}
    free = Counter((s.thing.object, s.thing.colour) for s in augment._free(64))
    assert len(free) == 32 and set(free.values()) == {2}


def test_every_training_set_has_its_pictures(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(classifier, "STEPS", 3)
    report = augment.measure(str(tiny_model), 8, 32, 2)
    sizes = [row["pictures"] for row in report["rows"]]
    assert sizes[:3] == [8, 8, 8] and 8 <= sizes[3] <= sizes[4] == sizes[5] == 24
    assert all(0 <= row["accuracy"] <= 1 and row["± (95 %)"] >= 0 for row in report["rows"])


def test_the_classifier_learns_and_jitter_takes_colour_from_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(classifier, "STEPS", 40)
    labels = np.arange(64) % 2
    images = np.zeros((64, 32, 32, 3), np.uint8) + np.uint8(40)
    images[labels == 0, 8:24, 8:24] = (200, 40, 40)
    images[labels == 1, 8:24, 8:24] = (40, 40, 200)
    plain = classifier.trained(images, labels, 2, 0)
    assert classifier.accuracy(plain, images, labels) == 1
    blind = classifier.trained(images, labels, 2, 0, classifier.any_hue)
    shown = classifier.any_hue(images, np.random.default_rng(1))
    assert classifier.accuracy(blind, shown, labels) < 0.8


@pytest.mark.parametrize("change", [classifier.any_hue, classifier.jittered])
def test_jitter_keeps_shapes(change: Any) -> None:
    rng = np.random.default_rng(0)
    images = np.zeros((16, 8, 8, 3), np.uint8)
    images[:, 2:6, 2:6] = (200, 40, 40)
    made = change(images, rng)
    assert (made[:, 0] == made[:, :1, 0]).all()
    inside = made[:, 2:6, 2:6].reshape(16, 16, 3)
    assert (inside == inside[:, :1]).all()
    assert len({tuple(colour) for colour in inside[:, 0]}) > 8
