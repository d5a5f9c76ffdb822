"""How much of a pixel is the product's, told by how it differs from the surround. Knows no target.

For products that are white, grey or black: what they have of their body's chroma tells nothing. One
direction in colour tells the product's pixels from the surround's best, with little regard to how
either is lit (Fisher 1936, "The use of multiple measurements in taxonomic problems").
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pipeline.images.light import Floats
from pipeline.images.share import Planes, weighted

FEW = 20
"""Pixels of a surround too few to know it by."""
ENDS = 80, 10
"""Percentiles of surround and product between which a pixel is of both."""
APART = 0.65
"""Distance of these, over the spread of both, from which on colour tells the two apart."""
GRAIN = 0.03
"""Difference in the root of light that is no more than what noise and JPEG leave."""
SHADE = 0.6
"""Of its mean light: a product that would look like its surround in such shade is not told by it,
as white is not from grey."""
RIDGE = 1e-4
"""Variance (of light's square root) that rounding and noise leave in the flattest of pictures."""
WHOLLY = 0.8
"""From here on a pixel is the product's, however brightly lit."""


@dataclass(frozen=True)
class Matte:
    """A direction in the root of linear light, and where on it surround and product begin."""

    across: Floats  # (3,)
    surround: float
    product: float

    @classmethod
    def of(cls, product: Floats, surround: Floats) -> Matte | None:
        """Of pixels (N, 3) in linear light of both; None where colour does not tell them apart."""
        if min(len(product), len(surround)) < FEW:
            return None
        inner, outer = np.sqrt(product), np.sqrt(surround)
        spread = np.cov(inner.T) + np.cov(outer.T) + RIDGE * np.eye(3)
        across = np.linalg.solve(spread, inner.mean(0) - outer.mean(0)).astype(np.float32)
        inner, outer = inner @ across, outer @ across
        low, high = np.percentile(outer, ENDS[0]), np.percentile(inner, ENDS[1])
        apart = (high - low) / np.sqrt(inner.var() + outer.var())
        shaded = (inner.mean() * np.sqrt(SHADE) - low) / (high - low)
        gap = (high - low) / np.linalg.norm(across)
        told = apart > APART and shaded > 0.5 and gap > GRAIN
        return cls(across, float(low), float(high)) if told else None

    def most(self, light: Planes, brightest: float) -> Floats:
        """(N,) how much body light a pixel may have: its share of the product, or `brightest`."""
        along = weighted([np.sqrt(plane) for plane in light], self.across)
        part = (along - np.float32(self.surround)) / np.float32(self.product - self.surround)
        np.clip(part, 0, 1, out=part)
        wholly = np.clip((part - np.float32(WHOLLY)) / np.float32(1 - WHOLLY), 0, 1)
        return np.asarray(part + np.float32(brightest) * wholly)
