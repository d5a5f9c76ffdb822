"""An edited picture → a file that says that a model made part of it. Knows no dataset.

A JPEG is edited as a JPEG: the blocks that the edit does not touch are copied (see `splice`). Other
pictures are written without loss. The marker is IPTC's digital source type in XMP, where photo
software and platforms look for it (IPTC Photo Metadata Standard, "Digital Source Type").
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any, Literal

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from pipeline.images import exif, jpeg
from pipeline.images.original import Original
from pipeline.images.picture import Picture, Plane
from pipeline.images.profile import from_srgb
from pipeline.images.splice import CannotCopy

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
WEBP_EFFORT = {"method": 0, "quality": 20}
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
) -> Encoded:
    """The file of a picture that differs from the original where `mask`, (H, W), is above 0.

    `source` is the original's own format: JPEG, WebP (lossless) or, for all others, PNG. A JPEG
    keeps the original's tables, EXIF and profile; the other files are sRGB, with the alpha.
    `everywhere`: the picture differs outside of the mask too.
    """
    wanted = original.format if image_format == "source" else image_format
    if wanted != "jpeg":
        return Encoded(_lossless(picture, wanted), mask, LOSSLESS)
    if everywhere:
        return _fresh(picture, mask, original, "the whole picture is the model's")
    try:
        return _copied(picture, mask, original)
    except CannotCopy as why:
        return _fresh(picture, mask, original, str(why))


def encode_mask(mask: Plane) -> bytes:
    """A PNG, mode L, of an (H, W) mask: 255 where the picture may differ, else 0."""
    out = io.BytesIO()
    Image.fromarray(mask).save(out, "PNG")
    return out.getvalue()


_TABLES: dict[str, Any] = {"quality": QUALITY, "subsampling": 0}


def _fresh(picture: Picture, mask: Plane, original: Original, why: str) -> Encoded:
    """A JPEG coded anew, in sRGB on white, with the tables of the original if it has any."""
    out = io.BytesIO()
    Image.fromarray(picture.on_white()).save(out, "JPEG", **(original.tables or _TABLES))
    kept = [] if original.says_adobe_rgb else _exif(original)
    return Encoded(_marked(out.getvalue(), kept), mask, f"{FRESH}: {why}")


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
    blocks = original.blocks
    touched = blocks.touched(mask)
    rgb = picture.rgb if original.profile is None else from_srgb(picture.rgb, original.profile)
    if rgb is None:
        raise CannotCopy("its profile has no way back from sRGB")
    extra = [whole for marker, _, whole in original.extra if marker != _APP1]
    data = _marked(blocks.with_units(rgb, touched), [*_exif(original), *extra])
    return Encoded(data, blocks.may_differ(touched, mask.shape), COPIED)


_APP1 = 0xE1


def _exif(original: Original) -> list[bytes]:
    blocks = [payload for _, payload, _ in original.extra if payload.startswith(exif.HEAD)]
    sound = exif.upright(blocks[0]) if len(blocks) == 1 else None
    return [jpeg.segment(_APP1, sound)] if sound else []


def _marked(data: bytes, extra: list[bytes]) -> bytes:
    """The JPEG `data` with these segments and the marker."""
    return jpeg.dressed(data, [*extra, jpeg.segment(_APP1, jpeg.XMP_HEAD + XMP.encode())])
