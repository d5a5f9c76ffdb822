"""What a picture's colours mean, by its profile or tags, and the way to sRGB. Knows no alpha.

A profile is judged by what it does to colours, never by its name. Said by the file, in this order:
PNG's cICP, an ICC profile, PNG's sRGB, PNG's gAMA and cHRM, AVIF's nclx, EXIF's Adobe RGB. A file
that says nothing, or whose profile is broken or for pictures of another kind, is taken for sRGB.
"""

from __future__ import annotations

import io
import struct
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageChops, ImageCms

from pipeline.errors import RowError
from pipeline.images import png
from pipeline.images.picture import Pixels

Point = tuple[float, float]
"""Chromaticity (CIE 1931 x, y)."""
Primaries = tuple[Point, Point, Point]

D65: Point = (0.3127, 0.3290)
SRGB: Primaries = ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06))
ADOBE: Primaries = ((0.64, 0.33), (0.21, 0.71), (0.15, 0.06))
_PRIMARIES: dict[int, Primaries] = {  # ITU-T H.273, table 2; 2 is "unspecified"
    1: SRGB,
    2: SRGB,
    5: ((0.64, 0.33), (0.29, 0.60), (0.15, 0.06)),
    6: ((0.63, 0.34), (0.31, 0.595), (0.155, 0.07)),
    7: ((0.63, 0.34), (0.31, 0.595), (0.155, 0.07)),
    9: ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046)),
    12: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060)),
}
_CURVES = {1: None, 2: None, 4: 2.2, 5: 2.8, 6: None, 8: 1.0, 13: None, 14: None, 15: None}
"""Gamma of H.273's transfer characteristics, table 3; None: sRGB's curve, which is how browsers
show the television curves too. The rest (PQ, HLG) is for brighter screens than sRGB's."""

SAME = 2
"""Largest difference, of 255, from the colour itself in a profile that is sRGB's own."""
_TO = ImageCms.createProfile("sRGB")
_INTENT = ImageCms.Intent.RELATIVE_COLORIMETRIC
_FLAGS = ImageCms.Flags.BLACKPOINTCOMPENSATION


def to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """The RGB image of an L, RGB, CMYK or LAB one whose colours `profile` (ICC) describes.

    Relative colorimetric with black point compensation, as photo software converts. Without a
    profile that fits, L and RGB are sRGB, LAB is CIELAB, and CMYK is the complement of RGB.
    """
    if image.mode == "LAB":
        lab = ImageCms.createProfile("LAB")
        return _applied(ImageCms.buildTransform(lab, _TO, "LAB", "RGB"), image)
    space = _space(profile) if profile else None
    if space == "RGB" and image.mode == "L":
        image = image.convert("RGB")
    if space == "L" and image.mode == "RGB" and _is_grey(image):
        image = image.getchannel("R")
    transform = _transform(profile, image.mode) if profile and space == image.mode else None
    return image.convert("RGB") if transform is None else _applied(transform, image)


def from_srgb(rgb: Pixels, profile: bytes) -> Pixels | None:
    """(H, W, 3) sRGB pixels in the colours of an RGB profile; None where it has no way to them."""
    try:
        theirs = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        transform = ImageCms.buildTransform(_TO, theirs, "RGB", "RGB", _INTENT, _FLAGS)
    except (ImageCms.PyCMSError, OSError, ValueError):
        return None
    return np.asarray(_applied(transform, Image.fromarray(rgb)))


def is_srgb(profile: bytes) -> bool:
    """Whether an RGB picture with this profile is taken as sRGB, for one of two reasons: that is
    what the profile does, or it cannot be used."""
    return _space(profile) != "RGB" or _transform(profile, "RGB") is None


def declared(image: Image.Image, data: bytes) -> bytes | None:
    """The ICC profile of an opened picture, embedded or made from what its file `data` says.

    Raises RowError `unsupported_colour` for high dynamic range.
    """
    coded = png.chunk(data, b"cICP") if image.format == "PNG" else None
    if coded and len(coded) == 4:
        return _coded(*coded[:2])
    embedded = image.info.get("icc_profile") or _of_jpeg2000(image, data)
    if embedded:
        return bytes(embedded)
    if image.format == "PNG" and not {"srgb", "gamma", "chromaticity"}.isdisjoint(image.info):
        return _of_png(image)
    if image.format == "AVIF" and (at := data.find(b"colrnclx", 0, 1 << 16)) > 0:
        return _coded(*struct.unpack_from(">HH", data, at + 8))
    return matrix_profile(ADOBE, D65, 563 / 256) if says_adobe_rgb(image) else None


def matrix_profile(primaries: Primaries, white: Point, gamma: float | None) -> bytes:
    """An ICC profile (version 2) of RGB with these primaries, white and gamma; None: sRGB's curve.

    Raises ValueError where the primaries span no colours.
    """
    columns = _adapted(primaries, white)
    tags = [(b"wtpt", _xyz((0.9642, 1.0, 0.8249))), (b"desc", _DESC), (b"cprt", _CPRT)]
    tags += [(name, _xyz(c)) for name, c in zip((b"rXYZ", b"gXYZ", b"bXYZ"), columns, strict=True)]
    tags += [(name, _curve(gamma)) for name in (b"rTRC", b"gTRC", b"bTRC")]
    table, body, at = b"", b"", 132 + 12 * len(tags)
    for name, value in tags:
        table += struct.pack(">4sII", name, at + len(body), len(value))
        body += value + bytes(-len(value) % 4)
    size = at + len(body)
    header = struct.pack(">I4sI4s4s4s", size, b"lcms", 0x02200000, b"mntr", b"RGB ", b"XYZ ")
    header += bytes(12) + b"acsp" + bytes(28) + _xyz((0.9642, 1.0, 0.8249))[8:]
    return header.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + body


_DESC = b"desc" + bytes(4) + struct.pack(">I", 4) + b"RGB\0" + bytes(79)
_CPRT = b"text" + bytes(4) + b"none\0"
_BRADFORD = np.array(
    [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
)
_D50 = np.array([0.9642, 1.0, 0.8249])


def _adapted(primaries: Primaries, white: Point) -> NDArray[np.float64]:
    """(3, 3) rows: XYZ of red, green and blue, adapted to D50 (Bradford, as ICC asks)."""
    if min(y for _, y in (*primaries, white)) <= 0:
        raise ValueError("a primary without luminance")
    rows = np.array([(x / y, 1.0, (1 - x - y) / y) for x, y in (*primaries, white)])
    if abs(np.linalg.det(rows[:3])) < 1e-6:
        raise ValueError("primaries that lie on a line")
    columns = rows[:3] * np.linalg.solve(rows[:3].T, rows[3])[:, None]
    gain = (_BRADFORD @ _D50) / (_BRADFORD @ rows[3])
    adapt = np.linalg.inv(_BRADFORD) @ (gain[:, None] * _BRADFORD)
    return np.asarray(columns @ adapt.T)


def _xyz(values: object) -> bytes:
    fixed = [round(float(v) * 65536) for v in np.asarray(values).flatten()]
    return b"XYZ " + bytes(4) + struct.pack(">3i", *fixed)


def _curve(gamma: float | None) -> bytes:
    if gamma is not None:
        return b"curv" + bytes(4) + struct.pack(">IH", 1, min(65535, round(gamma * 256)))
    level = np.arange(1024) / 1023
    linear = np.where(level <= 0.04045, level / 12.92, ((level + 0.055) / 1.055) ** 2.4)
    return b"curv" + bytes(4) + struct.pack(">I1024H", 1024, *np.rint(linear * 65535).astype(int))


def _coded(primaries: int, transfer: int) -> bytes:
    if primaries not in _PRIMARIES or transfer not in _CURVES:
        said = f"colour primaries {primaries} and transfer {transfer} (ITU-T H.273)"
        raise RowError("unsupported_colour", f"{said}; save it for ordinary screens (sRGB)")
    return matrix_profile(_PRIMARIES[primaries], D65, _CURVES[transfer])


def _of_png(image: Image.Image) -> bytes | None:
    gamma, points = image.info.get("gamma"), image.info.get("chromaticity")
    if "srgb" in image.info or (not gamma and not points):
        return None
    # 1/2.2 is how a file without an sRGB chunk says sRGB's curve (specification, section 11.3).
    curve = 1 / gamma if gamma and abs(gamma - 0.45455) > 0.01 else None
    if curve is not None and not 0.2 < curve < 10:
        return None
    white, *rgb = zip(points[::2], points[1::2], strict=True) if points else (D65, *SRGB)
    try:
        return matrix_profile((rgb[0], rgb[1], rgb[2]), white, curve)
    except (ValueError, OverflowError, struct.error):
        return None


def _of_jpeg2000(image: Image.Image, data: bytes) -> bytes | None:
    at = data.find(b"colr\2", 0, 1 << 16) if image.format == "JPEG2000" else -1
    if at < 4:
        return None
    (length,) = struct.unpack_from(">I", data, at - 4)
    return data[at + 7 : at - 4 + length]


def says_adobe_rgb(image: Image.Image) -> bool:
    """By the DCF option "R03", or the ColorSpace of 2 that some cameras write for it."""
    try:
        exif = image.getexif()
        index = exif.get_ifd(ExifTags.IFD.Interop).get(1)
        space = exif.get_ifd(ExifTags.IFD.Exif).get(ExifTags.Base.ColorSpace)
    except Exception:
        return False  # broken EXIF says nothing about the colours
    return str(index)[:3] == "R03" or space == 2


def _is_grey(image: Image.Image) -> bool:
    red, green, blue = image.split()
    return not any(ImageChops.difference(red, c).getbbox() for c in (green, blue))


def _space(profile: bytes) -> str | None:
    """The mode of the pictures that a profile is for; None where it is broken."""
    try:
        space = ImageCms.ImageCmsProfile(io.BytesIO(profile)).profile.xcolor_space
    except (ImageCms.PyCMSError, OSError, ValueError):
        return None
    return {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK"}.get(space.strip())


@lru_cache(maxsize=32)
def _transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """To sRGB; None where the profile is sRGB's own, or cannot be used."""
    try:
        theirs = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        transform = ImageCms.buildTransform(theirs, _TO, mode, "RGB", _INTENT, _FLAGS)
    except (ImageCms.PyCMSError, OSError, ValueError):
        return None
    return None if mode != "CMYK" and _is_identity(transform, mode) else transform


def _is_identity(transform: ImageCms.ImageCmsTransform, mode: str) -> bool:
    steps = np.linspace(0, 255, 9).round().astype(np.uint8)
    greys = np.arange(256, dtype=np.uint8)[None, :]
    grid = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(1, -1, 3)
    if mode == "RGB":
        probes = np.concatenate([grid, np.repeat(greys[..., None], 3, axis=-1)], axis=1)
    else:
        probes = greys
    image = Image.fromarray(np.ascontiguousarray(probes))
    seen = np.asarray(_applied(transform, image)).astype(int)
    return bool(np.abs(seen - np.asarray(image.convert("RGB"))).max() <= SAME)


def _applied(transform: ImageCms.ImageCmsTransform, image: Image.Image) -> Image.Image:
    converted = transform.apply(image)
    assert converted is not None
    return converted
