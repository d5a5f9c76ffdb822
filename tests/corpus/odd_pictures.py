"""More hostile pictures: transparency, profiles, and limits of libraries. Knows no pipeline."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from PIL import Image

from pipeline.images.profile import D65, SRGB, matrix_profile
from tests.images.files import chunk, encoded, png, segment, tiff, with_segments

SIZE = (48, 32)


def smooth() -> Image.Image:
    """Without noise, so that files are small."""
    y, x = np.mgrid[0 : SIZE[1], 0 : SIZE[0]] / max(SIZE)
    return Image.fromarray((np.stack([x, y, 1 - x], axis=-1) * 255).astype(np.uint8))


def rgba() -> Image.Image:
    """A cut-out: its left half is not there."""
    image = smooth().convert("RGBA")
    image.putalpha(
        Image.fromarray(np.where(np.arange(48) < 24, 0, 255).astype(np.uint8)[None].repeat(32, 0))
    )
    return image


def rows() -> np.ndarray:
    return np.asarray(smooth())


def jpeg() -> bytes:
    return encoded(smooth(), "JPEG", quality=92)


def zeros_at_the_end() -> bytes:
    data = jpeg()
    return data[: len(data) // 2] + bytes(len(data) // 2)


def no_adobe() -> bytes:
    data = encoded(smooth().convert("CMYK"), "JPEG")
    at = data.find(b"\xff\xee")
    length = int.from_bytes(data[at + 2 : at + 4], "big")
    return data[:at] + data[at + 2 + length :]


Make = Callable[[], bytes]
CASES: list[tuple[str, str, Make, str]] = [
    ("cut-out", "a cut-out, PNG", lambda: encoded(rgba(), "PNG"), "edited"),
    (
        "cut-out-webp",
        "a cut-out, lossless WebP",
        lambda: encoded(rgba(), "WEBP", lossless=True),
        "edited",
    ),
    ("cut-out-avif", "a cut-out, AVIF", lambda: encoded(rgba(), "AVIF"), "edited"),
    ("cut-out-jp2", "a cut-out, JPEG 2000", lambda: encoded(rgba(), "JPEG2000"), "edited"),
    ("cut-out-grey", "a grey cut-out", lambda: encoded(rgba().convert("LA"), "PNG"), "edited"),
    (
        "cut-out-tiff",
        "TIFF with alpha multiplied in",
        lambda: tiff(np.asarray(rgba()), photometric="rgb", extrasamples=["ASSOCALPHA"]),
        "edited",
    ),
    (
        "key",
        "PNG with one transparent colour",
        lambda: png(rows(), 8, 2, chunk(b"tRNS", bytes(6))),
        "edited",
    ),
    (
        "key16",
        "16-bit PNG with one transparent colour",
        lambda: png(rows().astype(np.uint16) * 257, 16, 2, chunk(b"tRNS", bytes(6))),
        "edited",
    ),
    (
        "linear",
        "a profile of linear light that is called sRGB",
        lambda: encoded(smooth(), "PNG", icc_profile=matrix_profile(SRGB, D65, 1.0)),
        "edited",
    ),
    (
        "gamma",
        "PNG with a gamma of its own",
        lambda: png(rows(), 8, 2, chunk(b"gAMA", (100_000).to_bytes(4, "big"))),
        "edited",
    ),
    (
        "hdr",
        "PNG of a brighter screen (PQ)",
        lambda: png(rows(), 8, 2, chunk(b"cICP", bytes([9, 16, 0, 1]))),
        "unsupported_colour",
    ),
    (
        "long-text",
        "PNG with 3 MB of text",
        lambda: png(rows(), 8, 2, chunk(b"tEXt", b"Comment\0" + b"x" * 3_000_000)),
        "edited",
    ),
    (
        "text-checksum",
        "PNG whose text has a bad checksum",
        lambda: png(rows(), 8, 2, chunk(b"tEXt", b"Comment\0hello", checksum=1)),
        "edited",
    ),
    (
        "data-checksum",
        "PNG whose header has a bad checksum",
        lambda: (
            png(rows(), 8, 2).replace(b"IHDR", b"IHDR", 1)[:29]
            + b"\0\0\0\1"
            + png(rows(), 8, 2)[33:]
        ),
        "undecodable",
    ),
    (
        "segments",
        "JPEG with 20 segments of 64 kB",
        lambda: with_segments(jpeg(), *[segment(0xE9, bytes(65_000))] * 20),
        "edited",
    ),
    (
        "mpo",
        "two pictures in one JPEG (MPO)",
        lambda: encoded(smooth(), "MPO", save_all=True, append_images=[smooth()]),
        "edited",
    ),
    ("no-end", "JPEG without its end marker", lambda: jpeg()[:-2], "edited"),
    ("after-end", "JPEG with bytes behind its end", lambda: jpeg() + b"trailer" * 99, "edited"),
    (
        "zero-filled",
        "JPEG, its second half zeros (a broken download)",
        zeros_at_the_end,
        "undecodable",
    ),
    ("inks", "CMYK JPEG without Adobe's marker", no_adobe, "edited"),
    (
        "bmp-alpha",
        "BMP whose alpha is 0 everywhere",
        lambda: encoded(Image.new("RGBA", SIZE, (9, 99, 200, 0)), "BMP"),
        "edited",
    ),
    ("avif", "AVIF", lambda: encoded(smooth(), "AVIF"), "edited"),
    ("jp2", "JPEG 2000", lambda: encoded(smooth(), "JPEG2000"), "edited"),
    ("ppm", "a portable pixmap", lambda: encoded(smooth(), "PPM"), "edited"),
]
