"""Decoding: every kind of picture as it is meant to be seen, every bad one told by its kind."""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from pipeline.errors import RowError
from pipeline.images import decode as module

RED = (200, 40, 30)
LIMIT = 10_000


def decode(data: bytes, max_pixels: int) -> Any:
    """As it is seen on white."""
    return module.decode(data, max_pixels).on_white()


def encoded(image: Image.Image, format: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, format, **options)
    return out.getvalue()


def kind_of(data: bytes, max_pixels: int = LIMIT) -> str:
    with pytest.raises(RowError) as caught:
        decode(data, max_pixels)
    assert caught.value.message
    return caught.value.kind


def near(pixels: Any, colour: tuple[int, int, int], tolerance: int = 4) -> bool:
    return bool(np.abs(pixels.astype(int) - colour).max() <= tolerance)


@pytest.mark.parametrize(
    "format", ["PNG", "BMP", "TIFF", "GIF", "WEBP", "JPEG", "AVIF", "JPEG2000", "PPM"]
)
def test_formats(format: str) -> None:
    image = Image.new("RGB", (20, 12), RED)
    pixels = decode(encoded(image, format), LIMIT)
    assert pixels.shape == (12, 20, 3) and pixels.dtype == np.uint8
    assert near(pixels, RED)


def sixteen(values: Any) -> Image.Image:
    return Image.fromarray(np.asarray(values, np.uint16))


@pytest.mark.parametrize(
    ("image", "format", "colour"),
    [
        (Image.new("L", (9, 9), 77), "PNG", (77, 77, 77)),
        (Image.new("1", (9, 9), 1), "PNG", (255, 255, 255)),
        (Image.new("RGB", (9, 9), RED).quantize(4), "PNG", RED),
        (Image.new("CMYK", (9, 9), (0, 255, 255, 0)), "JPEG", (255, 0, 0)),
        (Image.new("CMYK", (9, 9), (0, 255, 255, 0)), "TIFF", (255, 0, 0)),
        (Image.new("RGBA", (9, 9), (*RED, 255)), "PNG", RED),
        (Image.new("RGBA", (9, 9), (0, 0, 0, 128)), "WEBP", (127, 127, 127)),
        (sixteen([[257 * 100] * 9] * 9), "PNG", (100, 100, 100)),
        (sixteen([[65535] * 9] * 9), "TIFF", (255, 255, 255)),
        (Image.new("LAB", (9, 9), (255, 128, 128)), "TIFF", (255, 255, 255)),
        (Image.new("YCbCr", (9, 9), (128, 128, 128)), "JPEG", (128, 128, 128)),
    ],
)
def test_modes(image: Image.Image, format: str, colour: tuple[int, int, int]) -> None:
    options = {"lossless": True} if format == "WEBP" else {}
    assert near(decode(encoded(image, format, **options), LIMIT), colour)


def test_transparent_palette_and_colour_key_show_white() -> None:
    palette = Image.new("P", (9, 9), 0)
    palette.putpalette([*RED, 0, 255, 0])
    palette.putpixel((0, 0), 1)
    shown = decode(encoded(palette, "PNG", transparency=0), LIMIT)
    assert near(shown[1:], (255, 255, 255)) and near(shown[0, 0], (0, 255, 0))
    keyed = Image.new("RGB", (9, 9), RED)
    keyed.putpixel((0, 0), (0, 255, 0))
    shown = decode(encoded(keyed, "PNG", transparency=RED), LIMIT)
    assert near(shown[1:], (255, 255, 255)) and near(shown[0, 0], (0, 255, 0))


def test_sixteen_bit_colour_png() -> None:
    def chunk(name: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        )

    row = b"\0" + struct.pack(">HHH", 65535, 257 * 16, 0) * 9
    header = struct.pack(">IIBBBBB", 9, 9, 16, 2, 0, 0, 0)
    chunks = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(row * 9)) + chunk(b"IEND", b"")
    assert near(decode(b"\x89PNG\r\n\x1a\n" + chunks, LIMIT), (255, 16, 0))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation(orientation: int) -> None:
    upright = np.zeros((10, 16, 3), np.uint8)
    upright[:5, :8] = 255  # the top left quarter is white
    turned = upright.transpose(1, 0, 2)
    stored = {
        1: upright, 2: upright[:, ::-1], 3: upright[::-1, ::-1], 4: upright[::-1],
        5: turned, 6: turned[::-1], 7: turned[::-1, ::-1], 8: turned[:, ::-1],
    }[orientation]  # fmt: skip
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(Image.fromarray(np.ascontiguousarray(stored)), "PNG", exif=exif)
    assert np.array_equal(decode(data, LIMIT), upright)


def test_broken_exif_and_icc_are_passed_over() -> None:
    image = Image.new("RGB", (9, 9), RED)
    assert near(decode(encoded(image, "JPEG", exif=b"Exif\0\0garbage"), LIMIT), RED)
    assert near(decode(encoded(image, "PNG", icc_profile=b"garbage" * 40), LIMIT), RED)
    grey = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert near(decode(encoded(image.convert("CMYK"), "JPEG", icc_profile=grey), LIMIT), RED, 8)


def swapped_profile() -> bytes:
    """sRGB with the primaries of red and blue exchanged, under another name."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for old, new in ((b"rXYZ", b"?XYZ"), (b"bXYZ", b"rXYZ"), (b"?XYZ", b"bXYZ")):
        assert old in profile
        profile = profile.replace(old, new, 1)
    return profile.replace("sRGB".encode("utf-16-be"), "BGRs".encode("utf-16-be"))


def test_icc_profiles_are_applied() -> None:
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    image = Image.new("RGB", (9, 9), (200, 120, 40))
    assert near(decode(encoded(image, "PNG", icc_profile=srgb), LIMIT), (200, 120, 40), 0)
    for format in ("PNG", "JPEG", "WEBP", "TIFF"):
        data = encoded(image, format, icc_profile=swapped_profile())
        assert near(decode(data, LIMIT), (40, 120, 200), 6), format


def test_first_frame_of_an_animation() -> None:
    frames = [Image.new("RGB", (9, 9), colour) for colour in (RED, (0, 0, 255))]
    for format in ("GIF", "WEBP", "PNG", "TIFF"):
        data = encoded(frames[0], format, save_all=True, append_images=frames[1:])
        assert near(decode(data, LIMIT), RED, 8), format


def png_header(width: int, height: int) -> bytes:
    data = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + data + struct.pack(">I", zlib.crc32(data))
    return b"\x89PNG\r\n\x1a\n" + chunk + struct.pack(">I", 1 << 20) + b"IDAT" + bytes(64)


def test_bad_pictures_by_kind() -> None:
    good = encoded(Image.effect_noise((40, 40), 90).convert("RGB"), "JPEG")
    assert kind_of(b"") == "empty_file"
    assert kind_of(b"<html><body>404</body></html>") == "not_an_image"
    assert kind_of(b"<svg xmlns='http://www.w3.org/2000/svg'/>") == "not_an_image"
    assert kind_of(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n") == "not_an_image"
    assert kind_of(good[: len(good) // 2]) == "undecodable"
    assert kind_of(good[:4]) in ("not_an_image", "undecodable")
    assert kind_of(encoded(Image.new("RGB", (1, 1)), "PNG")) == "too_small"
    assert kind_of(encoded(Image.new("RGB", (1, 5000)), "PNG")) == "too_small"
    assert kind_of(encoded(Image.new("RGB", (101, 100)), "PNG")) == "too_large"
    assert kind_of(encoded(Image.new("F", (9, 9), float("nan")), "TIFF")) == "unsupported_mode"
    assert kind_of(encoded(Image.new("I", (9, 9), 1 << 20), "TIFF")) == "unsupported_mode"


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_bombs_are_refused_by_their_header() -> None:
    for side in (10_000, 60_000, 2**31 - 1):
        assert kind_of(png_header(side, side), 64_000_000) == "too_large"
    bomb = encoded(Image.new("1", (20_000, 4_000)), "PNG")
    assert len(bomb) < 20_000 and kind_of(bomb, 64_000_000) == "too_large"


SEEDS = [
    encoded(Image.effect_noise((16, 16), 90).convert(mode), format)
    for format, mode in [
        ("JPEG", "RGB"), ("PNG", "RGBA"), ("PNG", "P"), ("WEBP", "RGB"), ("AVIF", "RGBA"),
        ("GIF", "P"), ("BMP", "RGB"), ("TIFF", "RGB"), ("JPEG2000", "RGB"), ("PPM", "RGB"),
    ]
]  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(SEEDS), st.lists(st.tuples(st.integers(0), st.binary(max_size=4))))
def test_damaged_pictures_are_pixels_or_a_row_error(data: bytes, edits: Any) -> None:
    broken = bytearray(data)
    for at, new in edits:
        at %= len(broken)
        broken[at : at + len(new)] = new
    try:
        pixels = decode(bytes(broken), LIMIT)
    except RowError:
        return
    assert pixels.dtype == np.uint8 and pixels.ndim == 3 and pixels.shape[2] == 3
    assert pixels.shape[0] * pixels.shape[1] <= LIMIT
