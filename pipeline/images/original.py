"""What of a source's file its edits take over. Knows no edit."""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from PIL import ExifTags, Image, JpegImagePlugin

from pipeline.images import exif, jpeg
from pipeline.images.picture import Pixels
from pipeline.images.profile import declared, from_srgb, is_srgb, says_adobe_rgb
from pipeline.images.splice import Blocks, CannotCopy
from pipeline.images.turned import UPRIGHT


@dataclass(frozen=True)
class Original:
    """The source's file, of a picture that decodes; what is asked for is read once."""

    data: bytes

    @property
    def format(self) -> str:
        """jpeg, webp or png: what an edit of it is written as."""
        if self.data.startswith(jpeg.SIGNATURE):
            return "jpeg"
        return "webp" if self.data[:4] == b"RIFF" and self.data[8:12] == b"WEBP" else "png"

    @cached_property
    def blocks(self) -> Blocks:
        """Its coefficients, in the file's own orientation. Raises CannotCopy."""
        if self.format != "jpeg":
            raise CannotCopy("the source is no JPEG")
        if not jpeg.ended(self.data):
            raise CannotCopy("the source lacks its end")
        if self.orientation not in (UPRIGHT, *map(exif.orientation, self.exif)):
            raise CannotCopy("the source is stored turned, and its EXIF cannot be kept")
        return Blocks.of(self.data)

    @cached_property
    def orientation(self) -> int:
        """How its pixels are stored, 1 (upright) to 8."""
        told = self._header.getexif().get(ExifTags.Base.Orientation, UPRIGHT)
        return told if told in range(1, 9) else UPRIGHT

    @property
    def exif(self) -> list[bytes]:
        """Its EXIF block, if it has one, and only one."""
        blocks = [payload for _, payload, _ in self.extra if payload.startswith(exif.HEAD)]
        return blocks if len(blocks) == 1 else []

    @cached_property
    def profile(self) -> bytes | None:
        """The ICC profile of its colours, where they are not sRGB."""
        profile = declared(self._header, self.data)
        return None if profile is None or is_srgb(profile) else profile

    def own_colours(self, rgb: Pixels) -> Pixels:
        """(H, W, 3) of sRGB pixels in the file's colours. Raises CannotCopy: no way to them."""
        own = rgb if self.profile is None else from_srgb(np.ascontiguousarray(rgb), self.profile)
        if own is None:
            raise CannotCopy("its profile has no way back from sRGB")
        return own

    @cached_property
    def says_adobe_rgb(self) -> bool:
        """Whether its EXIF does."""
        return says_adobe_rgb(self._header)

    @cached_property
    def extra(self) -> list[tuple[int, bytes, bytes]]:
        """Its EXIF and profile, and what tells the kind of its colours, as segments of a JPEG."""
        if self.format != "jpeg":
            return []
        return [s for s in jpeg.segments(jpeg.plain(self.data)) if s[0] in (0xE1, 0xE2, 0xEE)]

    @cached_property
    def tables(self) -> dict[str, Any] | None:
        """Pillow's settings for a JPEG like it, where it is one of colours."""
        header = self._header
        if self.format != "jpeg" or header.mode != "RGB":
            return None
        sampling = JpegImagePlugin.get_sampling(header)
        tables = header.quantization  # type: ignore[attr-defined]
        return {"qtables": tables, "subsampling": sampling if sampling >= 0 else 0}

    @property
    def _header(self) -> Image.Image:
        return Image.open(io.BytesIO(jpeg.plain(self.data) if self.format == "jpeg" else self.data))
