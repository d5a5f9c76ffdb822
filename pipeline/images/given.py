"""What an input says of where to edit: its masks, brought to the photo's size. Knows no model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from pipeline.diffusion.region import Prior
from pipeline.errors import RowError
from pipeline.images.decode import decode
from pipeline.images.encode import narrowed
from pipeline.images.original import Original
from pipeline.images.picture import Picture, Plane

Region = NDArray[np.bool_]


@dataclass(frozen=True)
class Given:
    """Of one photo, (H, W) at its own size."""

    mask: Region | None = None
    protected: Region | None = None
    instead: bool = True  # the mask takes the model's place; else it limits it

    @property
    def replaces(self) -> bool:
        """Whether the model is not asked where."""
        return self.mask is not None and self.instead

    @property
    def origin(self) -> str:
        """Who says where to edit: model, input, or both."""
        return "model" if self.mask is None else "input" if self.instead else "both"

    def prior(self, picture: Picture, size: tuple[int, int]) -> Prior:
        """For the model, which sees the photo at `size` = (width, height)."""
        opaque = None if picture.alpha is None else picture.alpha > 0
        seen, protected, given = (_resized(p, size) for p in (opaque, self.protected, self.mask))
        return Prior(seen, protected, given, self.instead)

    def outline(self, found: Tensor) -> Tensor:
        """The mask of the input, float32 at the photo's size, or the outline that was found."""
        if self.mask is None or not self.instead:
            return found
        return torch.from_numpy(self.mask.astype(np.float32))

    def limited(
        self, photo: Picture, edited: Picture, mask: Plane, original: Original, image_format: str
    ) -> tuple[Picture, Plane]:
        """The edit and its mask without what may not be edited, which is the photo's again."""
        if self.protected is None and (self.mask is None or self.instead):
            return edited, mask
        if self.mask is not None and not self.instead:
            outside = ~self.mask
            edited = _restored(photo, edited, outside & (mask > 0))
            mask = np.where(outside, np.uint8(0), mask)
        if self.protected is not None:
            edited = _restored(photo, edited, self.protected)
            narrow = narrowed(mask, self.protected, original, image_format)
            edited = _restored(photo, edited, (mask > 0) & (narrow == 0))
            mask = narrow
        return edited, mask


def read(
    mask: bytes | None, protect: bytes | None, size: tuple[int, int], max_pixels: int, instead: bool
) -> Given:
    """The two planes of a photo of `size`. Raises RowError `bad_mask` for what cannot serve."""
    planes = [
        None if data is None else _region(data, name, size, max_pixels)
        for name, data in (("mask", mask), ("protect", protect))
    ]
    return Given(planes[0], planes[1], instead)


def _region(data: bytes, name: str, size: tuple[int, int], max_pixels: int) -> Region:
    try:
        picture = decode(data, max_pixels)
    except RowError as error:
        raise RowError("bad_mask", f"input.{name}: {error.kind}: {error.message}") from error
    plane = _plane(picture)
    if picture.size != size:
        _check_shape(name, picture.size, size)
        plane = np.asarray(Image.fromarray(plane).resize(size, Image.Resampling.BILINEAR))
    return plane >= 128


def _plane(picture: Picture) -> Plane:
    """Its brightness; of a picture of one colour, its opacity. Levels of 0 and 1 mean 0 and 255."""
    bright = np.asarray(Image.fromarray(picture.rgb).convert("L"))
    if picture.alpha is not None:
        one = bright.min() == bright.max()
        bright = picture.alpha if one else np.minimum(bright, picture.alpha)
    return bright * np.uint8(255) if bright.max() == 1 else bright


def _check_shape(name: str, found: tuple[int, int], wanted: tuple[int, int]) -> None:
    """Raises RowError where a mask has other proportions, by more than a pixel of the coarser."""
    across, down = found[0] / wanted[0], found[1] / wanted[1]
    if abs(across - down) * min(wanted) > max(1.0, across):
        raise RowError(
            "bad_mask",
            f"input.{name}: {found[0]}×{found[1]} pixels for a picture of {wanted[0]}×{wanted[1]}; "
            "it may be smaller or larger, but of the same shape",
        )


def _resized(region: Region | None, size: tuple[int, int]) -> Tensor | None:
    if region is None:
        return None
    plane = Image.fromarray(region.astype(np.uint8) * np.uint8(255))
    shares = np.asarray(plane.resize(size, Image.Resampling.BOX), np.float32) / 255
    return torch.from_numpy(shares)


def _restored(photo: Picture, edited: Picture, where: Region) -> Picture:
    return Picture(np.where(where[..., None], photo.rgb, edited.rgb), edited.alpha)
