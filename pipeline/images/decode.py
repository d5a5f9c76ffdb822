"""Encoded bytes from anywhere → a picture in sRGB, or a RowError that says why. Knows no dataset.

What a file says beside its picture (texts, thumbnails, trailing bytes) neither helps nor harms.
"""

from __future__ import annotations

import io
import warnings
from typing import Any

import numpy as np
from PIL import Image, ImageChops, ImageOps, PngImagePlugin, UnidentifiedImageError

from pipeline.errors import RowError
from pipeline.images import jpeg, png
from pipeline.images.picture import Picture, Plane
from pipeline.images.profile import declared, to_srgb

FORMATS = ("JPEG", "PNG", "WEBP", "AVIF", "GIF", "BMP", "TIFF", "JPEG2000", "PPM")
MIN_SIDE = 8
"""Pixels; below it there is nothing to edit."""

# Our own limit decides, which is compared with the header before anything is decoded.
Image.MAX_IMAGE_PIXELS = None
PngImagePlugin.MAX_TEXT_CHUNK = png.MAX_UNPACKED
Image.init()
# Of what is odd and passed over.
warnings.filterwarnings("ignore", module=r"PIL\.")

_REDUCED, _PHOTOMETRIC, _BITS, _DNG = 254, 262, 258, 50706  # tags of TIFF


def decode(data: bytes, max_pixels: int) -> Picture:
    """The picture in `data` as it is meant to be seen, 8-bit sRGB with its alpha.

    Turned upright by its EXIF (or XMP) orientation, brought to sRGB by its profile (see `profile`),
    16 bits reduced to 8, the first frame of an animation, the first page of many. `max_pixels` is
    compared with the header before anything is decoded. Raises RowError: `empty_file`,
    `not_an_image`, `too_large`, `too_small`, `unsupported_mode`, `unsupported_colour`, `invisible`
    (transparent everywhere) or `undecodable`.
    """
    if not data:
        raise RowError("empty_file", "the image has no bytes")
    data, image = _opened(data)
    _check_size(image.size, max_pixels)
    try:
        image = _loaded(image, data)
        _turn_upright(image)
        return _picture(image, declared(image, data))
    except RowError:
        raise
    except Exception as error:
        # Whatever Pillow's plug-ins trip over here is in the data: they raise a dozen kinds.
        raise RowError("undecodable", f"a broken {image.format} file: {error}") from error


def pixels(data: bytes) -> int:
    """How many a picture has by its header; 0 where that cannot be read."""
    try:
        width, height = _opened(data)[1].size if data else (0, 0)
    except RowError:
        return 0
    return width * height


def _opened(data: bytes) -> tuple[bytes, Image.Image]:
    """The picture in `data`, not yet decoded, and what of `data` is needed for it."""
    try:
        for known in (png, jpeg):
            data = known.plain(data) if data.startswith(known.SIGNATURE) else data
        return data, Image.open(io.BytesIO(data), formats=FORMATS)
    except UnidentifiedImageError as error:
        raise _unidentified(data) from error
    except Exception as error:
        raise RowError("undecodable", f"a broken header: {error}") from error


def _unidentified(data: bytes) -> RowError:
    for name in FORMATS:
        factory, accepts = Image.OPEN[name]
        if accepts and accepts(data[:16]) is True:
            try:
                factory(io.BytesIO(data), "")
            except Exception as error:
                return RowError("undecodable", f"a {name} file that cannot be read: {error}")
    known = ", ".join(FORMATS)
    return RowError("not_an_image", f"it begins with {data[:12]!r}; expected one of {known}")


def _check_size(size: tuple[int, int], max_pixels: int) -> None:
    width, height = size
    if width * height > max_pixels:
        pixels = f"{width * height:,} pixels ({width}×{height})"
        raise RowError("too_large", f"{pixels}; allowed: {max_pixels:,} (input.max_pixels)")
    if min(size) < MIN_SIDE:
        raise RowError("too_small", f"{width}×{height} pixels; each side needs {MIN_SIDE}")


def _loaded(image: Image.Image, data: bytes) -> Image.Image:
    tags: Any = getattr(image, "tag_v2", {})
    if tags.get(_REDUCED, 0) & 1 or _DNG in tags:
        raise RowError("unsupported_mode", "its first picture is a thumbnail (camera raw?)")
    if image.format == "JPEG" and not jpeg.ended(data):
        if not _lacks_only_its_end(data):
            raise RowError("undecodable", "a JPEG file that ends before its picture does")
        _, image = _opened(data + jpeg.END)
    image.load()
    return image


def _lacks_only_its_end(data: bytes) -> bool:
    """Whether a JPEG has all of its picture and nothing more, but not the end marker.

    Then what follows changes nothing, and what would follow a few bytes earlier does. (A file cut
    short, or filled up with zeros, is another thing: libjpeg makes up the rest.)
    """

    def complete(body: bytes) -> bool:
        ends = (body + filler + jpeg.END for filler in (b"", bytes([0x55, 0xAA] * 512)))
        first, second = (np.asarray(_opened(end)[1]) for end in ends)
        return np.array_equal(first, second)

    data = data.rstrip(b"\xff")
    filled = len(set(data[-8:])) == 1
    return not filled and complete(data) and not complete(data[:-4])


def _turn_upright(image: Image.Image) -> None:
    try:
        ImageOps.exif_transpose(image, in_place=True)
    except Exception:
        return  # broken EXIF says nothing about the pixels


def _picture(image: Image.Image, profile: bytes | None) -> Picture:
    alpha = _alpha(image)
    if alpha is not None and not alpha.any():
        if image.format == "BMP":  # whose fourth byte most programs leave at 0
            return _picture(image.convert("RGB"), profile)
        raise RowError("invisible", "every pixel is transparent; there is nothing to edit")
    opaque = alpha is None or bool((alpha == 255).all())
    return Picture(np.asarray(to_srgb(_plain(image), profile)), None if opaque else alpha)


def _alpha(image: Image.Image) -> Plane | None:
    frame = getattr(image, "dispose_extent", None)  # of a GIF
    if frame and tuple(frame) != (0, 0, *image.size):
        return _within_frame(image, frame)
    if not image.has_transparency_data:
        return None
    if image.mode.startswith("I"):
        clear = np.asarray(image) == image.info["transparency"]
        return np.where(clear, np.uint8(0), np.uint8(255))
    if image.mode in ("LA", "PA", "RGBA", "La", "RGBa"):
        return np.asarray(image.getchannel("A" if "A" in image.mode else "a"))
    return np.asarray(image.convert("RGBA").getchannel("A"))


def _within_frame(image: Image.Image, frame: tuple[int, int, int, int]) -> Plane:
    """Around a first frame that is smaller than the picture there is nothing to see."""
    left, top, right, bottom = frame
    alpha = np.zeros(image.size[::-1], np.uint8)
    whole = np.asarray(image.convert("RGBA").getchannel("A"))
    alpha[top:bottom, left:right] = whole[top:bottom, left:right]
    return alpha


def _plain(image: Image.Image) -> Image.Image:
    """The colours as 8-bit L, RGB, CMYK or LAB, without transparency and not multiplied by it."""
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format == "PPM"):
        return _eight_bits(image)
    if image.mode in ("I", "F"):
        depth = "32-bit integers" if image.mode == "I" else "floating-point numbers"
        raise RowError("unsupported_mode", f"{image.format} of {depth}; save it as 8 bits")
    if image.mode == "CMYK" and image.format == "JPEG" and "adobe" not in image.info:
        return ImageChops.invert(image)  # Pillow inverts all, but only Adobe's are
    if image.mode in ("L", "RGB", "CMYK", "LAB"):
        return image
    if image.mode in ("1", "LA", "La"):
        return image.convert("LA").convert("L")
    return image.convert("RGBA").convert("RGB")


def _eight_bits(image: Image.Image) -> Image.Image:
    tags: Any = getattr(image, "tag_v2", {})
    most = 4095 if tags.get(_BITS, (16,))[0] == 12 else 65535
    values = np.asarray(image).astype(np.uint32)
    levels = ((values * 255 + most // 2) // most).clip(0, 255).astype(np.uint8)
    white_is_zero = tags.get(_PHOTOMETRIC) == 0
    return Image.fromarray(255 - levels if white_is_zero else levels)
