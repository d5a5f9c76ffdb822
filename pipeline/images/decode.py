"""Encoded bytes from anywhere → sRGB pixels, or a RowError that says why not. Knows no dataset."""

from __future__ import annotations

import io
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from pipeline.errors import RowError

Pixels = NDArray[np.uint8]
"""(H, W, 3) sRGB."""

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")
MIN_SIDE = 8
"""Pixels; below it there is nothing to edit."""

# Our own limit decides; Pillow's hard one (twice the warning's) stays in force.
warnings.filterwarnings("ignore", category=Image.DecompressionBombWarning)

_SRGB = ImageCms.createProfile("sRGB")


def decode(data: bytes, max_pixels: int) -> Pixels:
    """The picture in `data` as it is meant to be seen: (H, W, 3) uint8 sRGB.

    Turned upright by its EXIF orientation, brought to sRGB by its ICC profile, 16 bits reduced to
    8, transparency laid on white, the first frame of an animation. `max_pixels` is compared with
    the header before anything is decoded. Raises RowError: `empty_file`, `not_an_image`,
    `too_large`, `too_small`, `unsupported_mode` or `undecodable`.
    """
    if not data:
        raise RowError("empty_file", "the image has no bytes")
    image = _opened(data)
    _check_size(image.size, max_pixels)
    try:
        image.load()
        return np.asarray(_on_white(_upright(image)))
    except RowError:
        raise
    except Exception as error:
        # Whatever Pillow's plug-ins trip over here is in the data: they raise a dozen kinds.
        raise RowError("undecodable", f"a broken {image.format} file: {error}") from error


def _opened(data: bytes) -> Image.Image:
    try:
        return Image.open(io.BytesIO(data), formats=FORMATS)
    except UnidentifiedImageError as error:
        known = ", ".join(FORMATS)
        raise RowError(
            "not_an_image", f"it begins with {data[:12]!r}; expected one of {known}"
        ) from error
    except Image.DecompressionBombError as error:
        raise RowError("too_large", str(error)) from error
    except Exception as error:
        raise RowError("undecodable", f"a broken header: {error}") from error


def _check_size(size: tuple[int, int], max_pixels: int) -> None:
    width, height = size
    if width * height > max_pixels:
        pixels = f"{width * height:,} pixels ({width}×{height})"
        raise RowError("too_large", f"{pixels}; allowed: {max_pixels:,} (input.max_pixels)")
    if min(size) < MIN_SIDE:
        raise RowError("too_small", f"{width}×{height} pixels; each side needs {MIN_SIDE}")


def _upright(image: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(image)
    except Exception:
        return image  # broken EXIF says nothing about the pixels


def _on_white(image: Image.Image) -> Image.Image:
    """8-bit sRGB; where the picture is transparent, white shows."""
    seen_through = image.has_transparency_data and not image.mode.startswith("I")
    alpha = image.convert("RGBA").getchannel("A") if seen_through else None
    rgb = _to_srgb(_plain(image), image.info.get("icc_profile"))
    if alpha is None:
        return rgb
    return Image.composite(rgb, Image.new("RGB", rgb.size, "white"), alpha)


def _plain(image: Image.Image) -> Image.Image:
    """The colours as 8-bit L, RGB, CMYK or LAB, without transparency."""
    if image.mode.startswith("I;16"):
        values: Any = np.asarray(image)
        return Image.fromarray(((values.astype(np.uint32) * 255 + 32767) // 65535).astype(np.uint8))
    if image.mode in ("I", "F"):
        depth = "32-bit integers" if image.mode == "I" else "floating-point numbers"
        raise RowError("unsupported_mode", f"{image.format} of {depth}; save it as 8 bits")
    if image.mode in ("L", "RGB", "CMYK", "LAB"):
        return image
    return image.convert("L" if image.mode in ("1", "LA", "La") else "RGB")


def _to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    if profile:
        try:
            theirs = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            if "srgb" not in ImageCms.getProfileDescription(theirs).lower():
                converted = ImageCms.profileToProfile(image, theirs, _SRGB, outputMode="RGB")
                assert converted is not None
                return converted
        except (ImageCms.PyCMSError, OSError, ValueError):
            pass  # a broken profile, or one for another kind of picture: as if there were none
    if image.mode == "LAB":
        lab = ImageCms.createProfile("LAB")
        converted = ImageCms.profileToProfile(image, lab, _SRGB, outputMode="RGB")
        assert converted is not None
        return converted
    return image.convert("RGB")
