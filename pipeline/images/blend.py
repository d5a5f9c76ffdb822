"""A recolouring laid into a photo: whole inside, by colour across the outline. Knows no grid."""

from __future__ import annotations

from dataclasses import dataclass

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
    with a ramp of half that width.
    """

    fit: Recolouring
    inner: Floats  # (256,) share of the recolouring
    rim: Floats  # (256,) share of the recolouring across an outline

    @classmethod
    def of(cls, fit: Recolouring) -> Blend:
        """As the fit's surround asks."""
        ramp, tells = np.arange(256, dtype=np.float32) / 255, fit.tells_background
        reached = (ramp / 0.03).clip(0, 1)
        inside = ((ramp - 0.5) / 0.45).clip(0, 1)
        plain = ((ramp - 0.125) / 0.75).clip(0, 1)
        inner = np.asarray(tells * inside + (1 - tells) * plain, np.float32)
        return cls(fit, inner, np.asarray(tells * (1 - inside) * reached, np.float32))

    def __call__(self, photo: Pixels, mask: Plane, ramp: Plane) -> None:
        """Changes `photo`, (H, W, 3), in place; `mask`, (H, W), becomes 255 where it differs."""
        planes = np.ascontiguousarray(photo.transpose(2, 0, 1)).reshape(3, -1)
        light = [linear(plane) for plane in planes]
        new = self.fit.applied(light)
        at = np.flatnonzero(ramp != 255)  # what is left is whole
        if at.size:
            self._mix(new, [plane[at] for plane in light], ramp.ravel()[at], at)
        made = np.stack([levels(plane) for plane in new], axis=-1).reshape(photo.shape)
        rows, columns = np.divmod(at, ramp.shape[1])
        differs = (made[rows, columns] != photo[rows, columns]).any(axis=1)
        mask[rows[differs], columns[differs]] = 255
        photo[...] = made

    def _mix(self, new: Planes, before: Planes, ramp: Plane, at: NDArray[np.intp]) -> None:
        """`new` at the places `at` becomes a mixture with the light `before`, by `ramp` there."""
        inner, rim = self.inner[ramp], self.rim[ramp]
        across = self.fit.applied(before, rim=True)
        for plane, old, other in zip(new, before, across, strict=True):
            plane[at] = old + inner * (plane[at] - old) + rim * (other - old)
