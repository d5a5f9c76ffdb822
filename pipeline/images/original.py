"""What of a source's file its edits take over. Knows no edit."""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from PIL import ExifTags, Image, JpegImagePlugin

from pipeline.images import jpeg
from pipeline.images.profile import declared, is_srgb, says_adobe_rgb
from pipeline.images.splice import Blocks, CannotCopy


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
        """Its coefficients. Raises CannotCopy where they cannot be used for the upright picture."""
        if self.format != "jpeg":
            raise CannotCopy("the source is no JPEG")
        if not jpeg.ended(self.data):
            raise CannotCopy("the source lacks its end")
        if self._header.getexif().get(ExifTags.Base.Orientation, 1) in range(2, 9):
            raise CannotCopy("the source is stored turned")
        return Blocks.of(self.data)

    @cached_property
    def profile(self) -> bytes | None:
        """The ICC profile of its colours, where they are not sRGB."""
        profile = declared(self._header, self.data)
        return None if profile is None or is_srgb(profile) else profile

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
