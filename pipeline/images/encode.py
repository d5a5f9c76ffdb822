"""An edited picture → a file that says that a model made part of it. Knows no dataset.

A JPEG is edited as a JPEG: the blocks that the edit does not touch are copied (see `splice`). Other
pictures are written without loss. The marker is IPTC's digital source type in XMP, where photo
software and platforms look for it (IPTC Photo Metadata Standard, "Digital Source Type").
"""

from __future__ import annotations

import io
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter
from PIL.PngImagePlugin import PngInfo

from pipeline.errors import RowError
from pipeline.images import exif, jpeg
from pipeline.images.original import Original
from pipeline.images.picture import Picture, Plane
from pipeline.images.splice import REACH, CannotCopy
from pipeline.images.turned import UPRIGHT, shown, stored

ImageFormat = Literal["source", "jpeg", "png", "webp"]

SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"
XMP = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
    '<x:xmpmeta xmlns:x="adobe:ns:meta/">'
    '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    '<rdf:Description rdf:about=""'
    ' xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"'
    f' Iptc4xmpExt:DigitalSourceType="{SOURCE_TYPE}"/>'
    "</rdf:RDF></x:xmpmeta>"
    '<?xpacket end="r"?>'
)

PNG_LEVEL = 4
"""Half the time of zlib's default of 6, for files a few percent larger."""
WEBP_EFFORT = {"method": 1, "quality": 20}
"""Half the time of PNG for files a little smaller; of libwebp's, the quality is effort here."""
QUALITY = 92
"""Of a JPEG that is coded anew and whose source has no tables of its own."""
LOSSLESS, COPIED, FRESH = "lossless", "copied", "fresh"


@dataclass(frozen=True)
class Encoded:
    """An edited picture's file."""

    data: bytes
    mask: Plane  # (H, W), 255 where the file's picture may differ from the source's
    encoding: str
    """lossless; copied: a JPEG whose untouched blocks are the source's; or "fresh: " and why: a
    JPEG coded anew, in which any pixel may differ by what JPEG loses, whatever the mask says."""


def encode_edited(
    picture: Picture,
    mask: Plane,
    original: Original,
    image_format: ImageFormat,
    everywhere: bool = False,
    exact: bool = False,
) -> Encoded:
    """The file of a picture that differs from the original where `mask`, (H, W), is above 0.

    `source` is the original's own format: JPEG, WebP (lossless) or, for all others, PNG. A JPEG
    keeps the original's tables, EXIF and profile; the other files are sRGB, with the alpha.
    `everywhere`: the picture differs outside of the mask too. `exact`: something is protected in
    it, so a JPEG that would have to be coded anew becomes a PNG, or, where the format is asked for,
    RowError `cannot_protect`.
    """
    wanted = original.format if image_format == "source" else image_format
    if wanted != "jpeg":
        return Encoded(_lossless(picture, wanted), mask, LOSSLESS)
    fresh = _kept if exact and image_format == "source" else _refused if exact else _fresh
    if everywhere:
        return fresh(picture, mask, original, "the whole picture is the model's")
    try:
        return _copied(picture, mask, original)
    except CannotCopy as why:
        return fresh(picture, mask, original, str(why))


def narrowed(mask: Plane, protected: NDArray[np.bool_], original: Original, wanted: str) -> Plane:
    """The (H, W) mask without what is protected; in a JPEG without the blocks that show any of it.

    A block is coded as a whole, so one that changes anywhere may change everywhere. `wanted` is as
    for `encode_edited`.
    """
    free = np.where(protected, np.uint8(0), mask)
    if wanted not in ("source", "jpeg") or original.format != "jpeg":
        return free
    try:
        blocks = original.blocks
    except CannotCopy:
        return free
    lying = stored(_widened(protected, REACH), original.orientation)
    down, across = blocks.unit
    around = blocks.touched(lying).repeat(down, axis=0).repeat(across, axis=1)
    near = shown(around[: lying.shape[0], : lying.shape[1]], original.orientation)
    return np.where(near, np.uint8(0), mask)


def _widened(region: NDArray[np.bool_], pixels: int) -> Plane:
    plane = Image.fromarray(region.astype(np.uint8) * np.uint8(255))
    return np.asarray(plane.filter(ImageFilter.MaxFilter(2 * pixels + 1)))


def encode_mask(mask: Plane) -> bytes:
    """A PNG, mode L, of an (H, W) mask: 255 where the picture may differ, else 0."""
    out = io.BytesIO()
    Image.fromarray(mask).save(out, "PNG", compress_level=1, compress_type=zlib.Z_RLE)
    return out.getvalue()


_TABLES: dict[str, Any] = {"quality": QUALITY, "subsampling": 0}


def _fresh(picture: Picture, mask: Plane, original: Original, why: str) -> Encoded:
    """A JPEG coded anew, in sRGB on white, with the tables of the original if it has any."""
    out = io.BytesIO()
    Image.fromarray(picture.on_white()).save(out, "JPEG", **(original.tables or _TABLES))
    kept = [] if original.says_adobe_rgb else _exif(original, UPRIGHT)
    return Encoded(marked(out.getvalue(), kept), mask, f"{FRESH}: {why}")


def _kept(picture: Picture, mask: Plane, original: Original, why: str) -> Encoded:
    return Encoded(_lossless(picture, "png"), mask, LOSSLESS)


def _refused(picture: Picture, mask: Plane, original: Original, why: str) -> Encoded:
    told = f"the JPEG would have to be coded anew ({why}), and what input.protect protects with it"
    raise RowError("cannot_protect", f"{told}; use output.image_format source or png")


def _lossless(picture: Picture, wanted: str) -> bytes:
    out = io.BytesIO()
    image = Image.fromarray(picture.rgb)
    if picture.alpha is not None:
        image.putalpha(Image.fromarray(picture.alpha))
    if wanted == "png":
        info = PngInfo()
        info.add_itxt("XML:com.adobe.xmp", XMP)
        image.save(out, "PNG", pnginfo=info, compress_level=PNG_LEVEL)
    else:
        image.save(out, "WEBP", lossless=True, exact=True, xmp=XMP.encode(), **WEBP_EFFORT)
    return out.getvalue()


def _copied(picture: Picture, mask: Plane, original: Original) -> Encoded:
    """Stored as the original is: turning its blocks would round other pixels than its own."""
    blocks, orientation = original.blocks, original.orientation
    rgb, inside = (stored(pixels, orientation) for pixels in (picture.rgb, mask))
    touched = blocks.touched(inside)
    extra = [whole for marker, _, whole in original.extra if marker != _APP1]
    file = blocks.with_units(rgb, touched, original.own_colours)
    data = marked(file, [*_exif(original, orientation), *extra])
    return Encoded(data, shown(blocks.may_differ(touched, inside.shape), orientation), COPIED)


_APP1 = 0xE1


def _exif(original: Original, orientation: int) -> list[bytes]:
    blocks = [exif.kept(block, orientation) for block in original.exif]
    return [jpeg.segment(_APP1, block) for block in blocks if block]


def marked(data: bytes, extra: Sequence[bytes] = ()) -> bytes:
    """The JPEG `data` with these segments, in place of its own, and the marker."""
    return jpeg.dressed(data, [*extra, jpeg.segment(_APP1, jpeg.XMP_HEAD + XMP.encode())])
