"""An edited picture → a file as a shop wants it: size, canvas, format, bytes. Knows no row."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from PIL import Image, ImageColor
from PIL.PngImagePlugin import PngInfo

from pipeline.errors import RowError, UsageError
from pipeline.images.decode import decode
from pipeline.images.encode import SOURCE_TYPE, XMP

Colour = tuple[int, int, int]

MAX_PIXELS = 1 << 28
BEST, LEAST = 92, 40
"""Qualities of JPEG and WebP: what is taken, and the last that is tried to stay below a size."""
MAX_SIDE = 16_000
"""Pixels; WebP has no longer sides than 16,383."""


@dataclass(frozen=True)
class Look:
    """What every file is to look like."""

    format: str  # JPEG | PNG | WEBP
    size: int | None = None  # longest side in pixels, at most
    canvas: tuple[int, int] | None = None  # width and height of every file
    background: Colour | None = None  # below what is transparent and beside what is smaller
    max_kb: int | None = None  # thousands of bytes
    enlarge: bool = False  # fill the size or canvas with pictures that are smaller

    @classmethod
    def parse(
        cls,
        format: str,
        size: int | None,
        canvas: str | None,
        background: str | None,
        max_kb: int | None,
        enlarge: bool,
    ) -> Look:
        """From what a person types: `1000x1000`, `white` or `#ffffff`. Raises UsageError."""
        if size and canvas:
            raise UsageError("give --size or --canvas, not both")
        sides = _sides(canvas) if canvas else None
        ground = _colour(background) if background else None
        if ground is None and (canvas or format == "JPEG"):
            ground = (255, 255, 255)
        return cls(format, size, sides, ground, max_kb, enlarge)


def made(data: bytes, look: Look) -> tuple[bytes, bool]:
    """The file, and whether the picture is smaller than what was asked for.

    It carries the marker of synthetic media. Raises RowError: as `images.decode`, or `too_many_kb`
    where no quality from `BEST` to `LEAST` brings it below `max_kb`.
    """
    picture = decode(data, MAX_PIXELS)
    if _right(data, picture.size, look):
        return data, bool(look.size and max(picture.size) < look.size)
    image = Image.fromarray(picture.rgb)
    if picture.alpha is not None:
        image.putalpha(Image.fromarray(picture.alpha))
    fitted = _fitted(image, look)
    box = look.canvas or (look.size, look.size)
    small = all(side < most for side, most in zip(fitted.size, box, strict=True) if most)
    return _encoded(_composed(fitted, look), look), small and box != (None, None)


def _right(data: bytes, size: tuple[int, int], look: Look) -> bool:
    """Whether the file is as it is to be: what a run copied of a photo is not coded once more."""
    with Image.open(io.BytesIO(data)) as image:
        same = (image.format, image.size) == (look.format, size)
        upright = image.getexif().get(0x0112, 1) == 1
        composed = look.background and image.has_transparency_data
    longest = look.size or max(size)
    fits = max(size) == longest if look.enlarge else max(size) <= longest
    small = len(data) <= 1000 * look.max_kb if look.max_kb else True
    marked = SOURCE_TYPE.encode() in data
    return marked and same and upright and not composed and look.canvas is None and fits and small


def _fitted(image: Image.Image, look: Look) -> Image.Image:
    box = look.canvas or ((look.size, look.size) if look.size else None)
    if box is None:
        return image
    scale = min(box[0] / image.width, box[1] / image.height)
    if scale > 1 and not look.enlarge:
        return image
    sides = [max(1, round(side * scale)) for side in image.size]
    # Pillow multiplies by alpha before it scales, so edges of cut-outs stay clean.
    return image.resize((sides[0], sides[1]), Image.Resampling.LANCZOS)


def _composed(image: Image.Image, look: Look) -> Image.Image:
    if look.background is None:
        return image
    ground = Image.new("RGB", look.canvas or image.size, look.background)
    corner = ((ground.width - image.width) // 2, (ground.height - image.height) // 2)
    ground.paste(image, corner, image if image.mode == "RGBA" else None)
    return ground


def _encoded(image: Image.Image, look: Look) -> bytes:
    if look.format == "PNG":
        info = PngInfo()
        info.add_itxt("XML:com.adobe.xmp", XMP)
        return _within(look, lambda _: _saved(image, "PNG", pnginfo=info, optimize=True), (0,))
    more: dict[str, Any] = {"subsampling": 0} if look.format == "JPEG" else {"method": 4}
    return _within(
        look,
        lambda quality: _saved(image, look.format, quality=quality, xmp=XMP.encode(), **more),
        range(LEAST, BEST + 1),
    )


def _within(look: Look, encode: Callable[[int], bytes], qualities: range | tuple[int]) -> bytes:
    """The file of the best quality that is small enough: seven are tried, not all."""
    data = encode(qualities[-1])
    most = 1000 * look.max_kb if look.max_kb else len(data)
    if len(data) <= most:
        return data
    low, high, found = 0, len(qualities) - 2, None
    while low <= high:
        middle = (low + high) // 2
        tried = encode(qualities[middle])
        if len(tried) <= most:
            low, found = middle + 1, tried
        else:
            high, data = middle - 1, tried
    if found is None:
        raise RowError("too_many_kb", _too_many(len(data), look))
    return found


def _too_many(size: int, look: Look) -> str:
    at = f"at quality {LEAST}" if look.format != "PNG" else "and PNG has no quality; use .jpg"
    return f"{-(-size // 1000)} kB {at}; allowed: {look.max_kb} (--max-kb); or a smaller --size"


def _saved(image: Image.Image, format: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, format, **options)
    return out.getvalue()


def _sides(text: str) -> tuple[int, int]:
    width, _, height = text.lower().replace("×", "x").partition("x")
    if not (width.isdecimal() and height.isdecimal()):
        raise UsageError(f"--canvas {text!r}: write width and height as 1000x1000")
    sides = int(width), int(height)
    if not all(8 <= side <= MAX_SIDE for side in sides):
        raise UsageError(f"--canvas {text!r}: each side has 8 to {MAX_SIDE:,} pixels")
    return sides


def _colour(text: str) -> Colour:
    try:
        found = ImageColor.getrgb(text)
    except ValueError as error:
        raise UsageError(f'--background {text!r}: write a colour as white or "#ffffff"') from error
    return found[0], found[1], found[2]
