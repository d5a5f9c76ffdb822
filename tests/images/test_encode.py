"""Output files: lossless, marked as synthetic, the same bytes each time."""

from __future__ import annotations

import io
from typing import Literal
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from pipeline.images.decode import decode
from pipeline.images.encode import SOURCE_TYPE, ImageFormat, encode_mask
from pipeline.images.encode import encode_edited as encode
from pipeline.images.original import Original
from pipeline.images.picture import Picture

RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
IPTC = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
RGB = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)


def assert_marked(image: Image.Image) -> None:
    xmp = image.info.get("xmp") or image.info["XML:com.adobe.xmp"]
    text = (xmp.decode() if isinstance(xmp, bytes) else xmp).removeprefix("\ufeff")
    (description,) = ElementTree.fromstring(text).iter(f"{{{RDF}}}Description")
    assert description.get(f"{{{IPTC}}}DigitalSourceType") == SOURCE_TYPE


SOURCE = Original(b"\x89PNG, of which nothing is needed")


def encode_edited(picture: Picture, image_format: ImageFormat) -> bytes:
    mask = np.zeros(picture.rgb.shape[:2], np.uint8)
    return encode(picture, mask, SOURCE, image_format).data


@pytest.mark.parametrize("image_format", ["png", "webp"])
def test_edited_pictures(image_format: Literal["png", "webp"]) -> None:
    data = encode_edited(Picture(RGB), image_format)
    assert np.array_equal(decode(data, 1000).rgb, RGB)
    image = Image.open(io.BytesIO(data))
    assert image.format == image_format.upper()
    assert_marked(image)
    assert data == encode_edited(Picture(RGB), image_format)


@pytest.mark.parametrize("image_format", ["png", "webp"])
def test_alpha_and_the_colours_under_it_are_kept(image_format: Literal["png", "webp"]) -> None:
    alpha = np.random.default_rng(1).integers(0, 256, (20, 30), np.uint8)
    alpha[:5] = 0
    again = decode(encode_edited(Picture(RGB, alpha), image_format), 1000)
    assert np.array_equal(again.rgb, RGB)
    assert again.alpha is not None and np.array_equal(again.alpha, alpha)


def test_the_marker_stands_where_readers_look() -> None:
    png = encode_edited(Picture(RGB), "png")
    assert b"iTXtXML:com.adobe.xmp\0\0\0\0\0<?xpacket" in png
    webp = encode_edited(Picture(RGB), "webp")
    assert b"XMP " in webp and webp[12:16] == b"VP8X"


def test_masks() -> None:
    mask = np.zeros((20, 30), np.uint8)
    mask[5:9] = 255
    image = Image.open(io.BytesIO(encode_mask(mask)))
    assert (image.format, image.mode) == ("PNG", "L")
    assert np.array_equal(np.asarray(image), mask)
