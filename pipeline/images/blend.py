"""A recolouring laid into a photo: whole inside, by colour across the outline. Knows no grid."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from pipeline.images.light import Floats, levels, linear
from pipeline.images.picture import Pixels, Plane
from pipeline.images.recolor import Recolouring
from pipeline.images.share import Planes


@dataclass(frozen=True)
class Blend:
    """A recolouring, and how much of it by how far inside a pixel is.

    That is a ramp: 0 a feather outside of the outline, 128 on it, 255 a feather inside. Where the
    surround has another colour than the product, its colour says how much of a pixel near the
    outline is the product's, whatever the outline's error; where it has the same, the outline does,
    with a ramp of a third of that width. A matte knows no shadow from a dark product: it reaches
    less far out, and further in.
    """

    fit: Recolouring
    inner: Floats  # (256,) share of the recolouring
    rim: Floats  # (256,) share of the recolouring across an outline

    @classmethod
    def of(cls, fit: Recolouring) -> Blend:
        """As the fit's surround asks."""
        tells = 1.0 if fit.matte else fit.tells_background
        reached = _rise(0.35, 0.45) if fit.matte else _rise(0, 0.03)
        inside = _rise(0.8, 1) if fit.matte else _rise(0.5, 0.95)
        outline = _rise(0.35, 0.65)
        inner = outline + tells * (inside - outline)
        return cls(fit, inner, tells * (1 - inside) * reached)

    def __call__(self, photo: Pixels, mask: Plane, ramp: Plane) -> None:
        """Changes `photo`, (H, W, 3), in place; `mask`, (H, W), becomes 255 where it differs."""
        planes = np.ascontiguousarray(photo.transpose(2, 0, 1)).reshape(3, -1)
        light = [linear(plane) for plane in planes]
        new = self.fit.applied(light)
        at = np.flatnonzero(ramp < self._whole)
        if at.size:
            self._mix(new, [plane.take(at, mode="clip") for plane in light], ramp.take(at), at)
        differs = np.zeros(mask.shape, bool)
        for channel, (plane, before) in enumerate(zip(new, planes, strict=True)):
            made = levels(plane)
            differs |= (made != before).reshape(mask.shape)
            photo[..., channel] = made.reshape(mask.shape)
        np.maximum(mask, differs * np.uint8(255), out=mask)

    @cached_property
    def _whole(self) -> int:
        """The ramp from which on a pixel is the recolouring alone."""
        return int(np.flatnonzero((self.inner < 1) | (self.rim > 0))[-1]) + 1

    def _mix(self, new: Planes, before: Planes, ramp: Plane, at: NDArray[np.intp]) -> None:
        """`new` at the places `at` becomes a mixture with the light `before`, by `ramp` there."""
        inner, rim = self.inner.take(ramp), self.rim.take(ramp)
        across = self.fit.applied(before, rim=True)
        for plane, old, other in zip(new, before, across, strict=True):
            plane[at] = old + inner * (plane.take(at, mode="clip") - old) + rim * (other - old)


def _rise(first: float, last: float) -> Floats:
    """(256,) of a ramp in 0..255: from 0 at `first` of it to 1 at `last`."""
    ramp = np.arange(256, dtype=np.float32) / 255
    return np.asarray(np.clip((ramp - first) / (last - first), 0, 1), np.float32)
