"""Encoded pictures → thumbnails in the page itself. Knows no row and no page."""

from __future__ import annotations

import base64
import io

from PIL import (
    Image,
    ImageChops,
    ImageFilter,
    ImageOps,
    ImageStat,
    UnidentifiedImageError,
)

SIDE = 192
"""Pixels of a thumbnail's longer side, unless told."""
TINT = (255, 0, 128)


def thumbnail(encoded: bytes | None, side: int = SIDE) -> Image.Image | None:
    """The picture in RGB on white, at most `side` pixels a side; None: there is none to decode."""
    if not encoded:
        return None
    try:
        with Image.open(io.BytesIO(encoded)) as picture:
            picture.draft("RGB", (side, side))
            small = _on_white(ImageOps.exif_transpose(picture))
    except (OSError, ValueError, UnidentifiedImageError, Image.DecompressionBombError):
        return None
    small.thumbnail((side, side))
    return small


def _on_white(picture: Image.Image) -> Image.Image:
    if not picture.has_transparency_data:
        return picture.convert("RGB")
    ground = Image.new("RGBA", picture.size, "white")
    ground.alpha_composite(picture.convert("RGBA"))
    return ground.convert("RGB")


def overlay(source: Image.Image, mask: Image.Image) -> Image.Image:
    """`source` (RGB) in pale grey, pink and outlined where `mask` covers it."""
    cover = mask.convert("L").resize(source.size)
    grey = source.convert("L").convert("RGB")
    pale = Image.blend(grey, Image.new("RGB", source.size, "white"), 0.35)
    pink = Image.new("RGB", source.size, TINT)
    pale.paste(Image.blend(pale, pink, 0.5), mask=cover)
    pale.paste(pink, mask=ImageChops.difference(cover.filter(ImageFilter.MaxFilter(3)), cover))
    return pale


def colour_inside(picture: Image.Image, mask: Image.Image) -> str | None:
    """`#rrggbb`, the median of `picture` (RGB) where `mask` covers it; None where it does not."""
    cover = mask.convert("L").resize(picture.size).point(lambda value: 255 * (value > 127))
    medians = ImageStat.Stat(picture, cover)
    if not cover.getbbox():
        return None
    return "#" + "".join(f"{int(value):02x}" for value in medians.median)


def data_uri(picture: Image.Image) -> str:
    """`picture` as a data URI of WebP."""
    file = io.BytesIO()
    picture.save(file, "WEBP", quality=72, method=4)
    return "data:image/webp;base64," + base64.b64encode(file.getvalue()).decode()
