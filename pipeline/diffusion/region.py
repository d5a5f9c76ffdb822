"""A map → what is edited: cells, and their outline on the picture. Knows no network.

Shapes: T targets, I pictures, C H W their channels and sides, h w the sides of their latents.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from pipeline.diffusion.mask import normalized, soft
from pipeline.diffusion.refine import covered, refined
from pipeline.diffusion.settings import Settings
from pipeline.diffusion.threshold import automatic

Tidy = Callable[[Tensor, Tensor], Tensor]
"""(H, W) outline, ½ where it ends, and its (C, H, W) picture in [-1, 1] → a better outline."""


class Cut(NamedTuple):
    """Where a map is cut, and by how many cells what is above grows."""

    threshold: float | Literal["auto"]
    dilate: int


@dataclass(frozen=True)
class Prior:
    """What is known of a picture before its map: planes (H, W) of its size, in [0, 1]."""

    seen: Tensor | None = None  # its opacity: where it is 0 there is nothing to edit or to measure
    protected: Tensor | None = None  # from ½ on never edited
    given: Tensor | None = None  # a mask, above ½ inside
    instead: bool = True  # of the map; else what both have is edited

    def to(self, device: torch.device | str) -> Prior:
        """The same on a device."""
        planes = (self.seen, self.protected, self.given)
        seen, protected, given = (p if p is None else p.to(device) for p in planes)
        return Prior(seen, protected, given, self.instead)

    @property
    def replaces(self) -> bool:
        """Whether no map is asked for."""
        return self.given is not None and self.instead

    def weights(self, size: tuple[int, int]) -> Tensor | None:
        """(h, w) how much of each cell is seen; None: all of each."""
        return None if self.seen is None else _pooled((self.seen > 0).float(), size)

    def limited(self, outline: Tensor) -> Tensor:
        """`outline`, of the picture's size or of its latent's, 0 where nothing may be edited."""
        size = (outline.shape[0], outline.shape[1])
        if self.seen is not None:
            outline = outline.where(_pooled((self.seen > 0).float(), size) > 0, 0)
        if self.protected is not None:
            outline = outline.where(_pooled(self.protected, size) < 0.5, 0)
        if self.given is not None and not self.instead:
            outline = outline.where(_pooled(self.given, size) > 0.5, 0)
        return outline


def regions(
    map_Thw: Tensor,
    pictures_I3HW: Tensor,
    images: Sequence[int],
    settings: Settings,
    priors: Sequence[Prior],
    tidies: Sequence[Tidy | None] = (),
    cuts: Sequence[Cut] = (),
) -> tuple[Tensor, Tensor]:
    """(T, h, w) bool cells to edit, and the outlines of what is edited, above ½ inside.

    Target t is of picture `images[t]`; there is a prior a picture. `tidies`, one a target, mend
    outlines that were drawn on the picture, before the prior limits them. `cuts`, one a target:
    where they are not as the settings say.
    """
    size = (map_Thw.shape[1], map_Thw.shape[2])
    weights = [priors[i].weights(size) for i in images]
    outline = torch.empty_like(map_Thw)
    alike: dict[Cut, list[int]] = {}
    for t in range(len(images)):
        cut = cuts[t] if cuts else Cut(settings.threshold, settings.dilate)
        alike.setdefault(cut, []).append(t)
    for cut, some in alike.items():
        of = [images[t] for t in some]
        part = [weights[t] for t in some]
        outline[some] = _outline(map_Thw[some], pictures_I3HW, of, settings, part, cut)
    if settings.refine:
        outline = refined(outline, pictures_I3HW, images, settings.refine)
    for t, image in enumerate(images):
        prior = priors[image]
        if prior.given is not None and prior.instead:
            outline[t] = _pooled(prior.given, (outline.shape[1], outline.shape[2]))
        elif settings.refine and (tidy := tidies[t] if tidies else None):
            outline[t] = tidy(outline[t], pictures_I3HW[image])
        outline[t] = prior.limited(outline[t])
    return covered(outline, size) if settings.refine else outline > 0.5, outline


def _outline(
    map_Thw: Tensor,
    pictures_I3HW: Tensor,
    images: Sequence[int],
    settings: Settings,
    weights: Sequence[Tensor | None],
    cut: Cut,
) -> Tensor:
    """(T, h, w) outlines in latent cells, ½ where the maps are cut."""
    if cut.threshold == "auto":
        cuts_T = automatic(map_Thw, pictures_I3HW, images, settings.refine, weights)
        return soft(map_Thw, cuts_T[:, None, None], cut.dilate)
    return soft(normalized(map_Thw, settings.clamp, weights), cut.threshold, cut.dilate)


def _pooled(plane_HW: Tensor, size: tuple[int, int]) -> Tensor:
    same = tuple(plane_HW.shape) == size
    return plane_HW if same else F.adaptive_avg_pool2d(plane_HW[None, None], size)[0, 0]
