"""One colour of a product changed for another in a photo of it. Knows no outline and no model.

Klinker, Shafer and Kanade 1988, "The measurement of highlights in color images": what a pixel shows
is s · body colour + what is not the body (there the highlight; here prints, trims and, in a mixed
pixel, the background too). Only the body colour is changed, so light, shade, texture and all else
are the photo's own:

    new = pixel + s(pixel) · (new body colour − body colour), in linear light.

What the edit is asked is one thing: which colour. A patch in it is outvoted.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFilter

from pipeline.images.body import Bools, body_pixels, well_inside
from pipeline.images.light import LUMA, Floats, companded, expanded, lab, linear
from pipeline.images.matte import Matte
from pipeline.images.picture import Pixels, Plane
from pipeline.images.second import lost_on, turn
from pipeline.images.share import (
    MOST,
    Planes,
    beside,
    chromatic,
    planes,
    share_of,
    squares,
    weighted,
)

HUE = 0.35
"""Chroma beside the body's, as a share of it, up to which a pixel is of the body's hue; twice that
is another colour."""
WHOLLY = 0.5
"""Change of a body's light, as a share of it, from which on nothing of its tinge stays."""
NEAR = 8.0
"""ΔE*ab within which two pixels of the edit vote for one colour."""
VOTES = 4096
"""Pixels of the edit that are asked, at most."""
LIKE = 0.5
"""Share of the body colour found in what surrounds the product (s, of its most alike fifth) from
which on a background can't be told from the product by its colour."""
SURROUND = 5.5
"""Feathers from the outline to the end of what is called its surround."""


@dataclass(frozen=True)
class Recolouring:
    """From one body colour to another, (3,) in linear light; and how near the surround is to it."""

    body: Floats
    target: Floats
    surround: float = 0.0  # s of the surround, 0..1
    matte: Matte | None = None  # where the body's chroma does not tell it from the surround
    pattern: float = 0.0  # share of body light in one that is to be turned: see `second`

    @classmethod
    def fit(
        cls,
        photo: Pixels,
        edit: Pixels | None,
        inside: Plane,
        seen: Plane | None = None,
        feather: float = 0.0,
        colour: Floats | None = None,
    ) -> Recolouring | None:
        """Of a photo and its edit, (h, w, 3), with a mask (h, w) above 127 inside.

        `colour` is the wanted representative colour, (3,) sRGB in 0..255; then no edit is needed.
        `seen`, (h, w), is 255 where the photo is opaque; nothing else is looked at. `feather` is in
        pixels. None where the mask shows no opaque pixel.
        """
        opaque = np.ones(inside.shape, bool) if seen is None else seen == 255
        core = well_inside(inside) & opaque
        if not core.any():
            return None
        light = linear(photo)
        inner = light[core]
        shown = body_pixels(inner)
        body = np.median(inner[shown], axis=0)
        around = light[_around(inside, feather) & opaque]
        matte = None if chromatic(body) == 1 else Matte.of(inner, around)
        nearness = (
            float(np.percentile(share_of(planes(around), body), 80))
            if len(around)
            else _unseen(seen)
        )
        if colour is None:
            assert edit is not None, "either an edit or a colour says which colour"
            target = _vote(linear(edit[core]), inner, shown, body)
        else:
            target = expanded(colour / np.float32(255))
        pattern = lost_on(planes(inner), body, target)
        return cls(body, target, min(1.0, nearness), matte, pattern)

    @property
    def tells_background(self) -> float:
        """0..1: how well a pixel's colour says whether it is the product's or its surround's."""
        return 1 - min(1.0, self.surround / LIKE)

    def applied(self, light: Planes, rim: bool = False) -> Planes:
        """What pixels in the product, three (N,) of linear light, become; at most a bit over 1.

        `rim`: across the outline, where what is as near to the body as the surround is, stays.
        """
        luma = weighted(light, LUMA)
        share = share_of(light, self.body, luma)
        if self.matte:
            share = self._of_the_product(self.matte, light, luma, share, rim)
        net = share
        if rim and not self.matte:
            net = (share - np.float32(self.surround)) / np.float32(max(1e-3, 1 - self.surround))
            np.maximum(net, 0, out=net)
        shift = self.target - self.body
        new = [plane + net * step for plane, step in zip(light, shift, strict=True)]
        changed = min(1.0, math.hypot(*shift) / max(1e-6, math.hypot(*self.body)) / WHOLLY)
        if changed:
            _less_tinge(new, beside(light, luma, share, self.body), share, self.body, changed)
        if self.pattern and not rim:
            turn(new, light, share, self.body, self.target, self.pattern)
        return new

    def _of_the_product(
        self, matte: Matte, light: Planes, luma: Floats, share: Floats, rim: bool
    ) -> Floats:
        """At most what the matte allows; inside, what is very bright may be shine."""
        most = np.minimum(share, matte.most(light, MOST))
        if rim:
            return np.asarray(most)
        shining = luma > np.float32(MOST * float(self.body @ LUMA))
        return np.asarray(np.where(shining, share, most))


def _less_tinge(new: Planes, rest: Planes, share: Floats, body: Floats, changed: float) -> None:
    """Takes from `new` what the hue of the body's pixels differs from it; other colours stay.

    `rest` is the pixels' chroma beside the body's. A bright orange that is clipped turns yellow: on
    black, what is left of it would be green.
    """
    whole = share * np.float32(HUE * max(1e-4, math.hypot(*(body - body @ LUMA))))
    whole += np.float32(1e-6)
    near = np.sqrt(squares(rest))
    near /= whole
    near *= np.float32(-changed)
    near += np.float32(2 * changed)
    np.clip(near, 0, np.float32(changed), out=near)
    for plane, other in zip(new, rest, strict=True):
        other *= near
        plane -= other


def _vote(edit: Floats, photo: Floats, shown: Bools, body: Floats) -> Floats:
    """The body colour that most pixels of the edit agree on; all (N, 3) in linear light.

    Each pixel that is little but body says what the body became: its change over its light, s. The
    densest place of these in Lab is found by mean shift from their median, weighted by s (Comaniciu
    and Meer 2002).
    """
    share = share_of(planes(photo), body)
    bare = ((photo - share[:, None] * body) @ LUMA < 0.1 * (photo @ LUMA)) & (share > 0.3)
    chosen = np.flatnonzero(bare if bare.sum() >= 20 else shown)
    chosen = chosen[:: max(1, len(chosen) // VOTES)]
    light = np.maximum(share[chosen], 0.3)
    votes = lab(companded(body + (edit[chosen] - photo[chosen]) / light[:, None]))
    found = np.median(votes, axis=0)
    for _ in range(15):
        weight = np.exp(-((votes - found) ** 2).sum(1) / (2 * NEAR**2)) * light + 1e-9
        found = weight @ votes / weight.sum()
    from skimage.color import lab2rgb

    return linear(np.round(np.asarray(lab2rgb(found)) * 255).astype(np.uint8))


def _around(inside: Plane, feather: float) -> Bools:
    """(h, w) bool: the surround, from beyond what the outline's error reaches."""
    whole = Image.fromarray((inside > 127).astype(np.uint8) * 255)
    near, far = (whole.filter(ImageFilter.BoxBlur(feather * n)) for n in (1.6, SURROUND))
    return np.asarray((np.asarray(near) == 0) & (np.asarray(far) > 0))


def _unseen(seen: Plane | None) -> float:
    """Nearness of a surround of which nothing is seen: a cut-out's is transparent."""
    return 1.0 if seen is None else 0.0
