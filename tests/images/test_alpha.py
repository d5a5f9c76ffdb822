"""Alpha is carried through every mode and format that can hold it; a transparent pixel stays."""

from __future__ import annotations

import io
import struct
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from pipeline.errors import RowError
from pipeline.images.decode import decode
from pipeline.images.paste import Mode, paste_back
from pipeline.images.picture import Picture, off_white, over_white
from tests.images.files import chunk, encoded, png, tiff

SIDE = 12
RED, GREEN = (200, 40, 30), (10, 180, 60)
RAMP = np.linspace(0, 255, SIDE).round().astype(np.uint8)
ALPHA = np.repeat(RAMP[None], SIDE, axis=0)  # transparent at the left, opaque at the right
KEYED = np.where(np.arange(SIDE) < 5, 0, 255).astype(np.uint8)[None].repeat(SIDE, axis=0)
LEFT = (KEYED == 0)[..., None]


def rgba(colour: tuple[int, ...] = RED, alpha: Any = ALPHA) -> Any:
    return np.dstack([np.broadcast_to(np.uint8(colour), (SIDE, SIDE, len(colour))), alpha])


def palette(transparency: Any) -> bytes:
    image = Image.fromarray(np.where(KEYED == 0, 1, 2).astype(np.uint8)).convert("P")
    image = Image.frombytes("P", (SIDE, SIDE), np.where(KEYED == 0, 1, 2).astype(np.uint8))
    image.putpalette([0, 0, 0, *RED, *GREEN])
    return encoded(image, "PNG", transparency=transparency)


def gif() -> bytes:
    image = Image.frombytes("P", (SIDE, SIDE), np.where(KEYED == 0, 1, 2).astype(np.uint8))
    image.putpalette([0, 0, 0, *RED, *GREEN])
    return encoded(image, "GIF", transparency=1)


def keyed(one: Any, other: Any) -> Any:
    return np.where(LEFT, np.asarray(one), np.asarray(other)).squeeze()


def key(*values: int) -> bytes:
    return chunk(b"tRNS", struct.pack(f">{len(values)}H", *values))


def sixteen(values: Any) -> Any:
    return np.asarray(values).astype(np.uint32) * 257


def premultiplied(alpha: Any) -> Any:
    share = alpha[..., None] / 255
    return np.dstack([np.rint(np.uint8(RED) * share).astype(np.uint8), alpha])


FULL: list[tuple[str, bytes]] = [
    ("png rgba", encoded(Image.fromarray(rgba()), "PNG")),
    ("png rgba, 16 bit", png(sixteen(rgba()), 16, 6)),
    ("webp lossless", encoded(Image.fromarray(rgba()), "WEBP", lossless=True, exact=True)),
    ("tiff unassociated", encoded(Image.fromarray(rgba()), "TIFF")),
    ("tiff unassociated, 16 bit", tiff(sixteen(rgba()).astype(np.uint16), photometric="rgb",
                                       extrasamples=["unassalpha"])),
    ("tiff, deflated", tiff(rgba(), photometric="rgb", extrasamples=["unassalpha"],
                            compression="zlib")),
    ("tiff, planes", tiff(rgba().transpose(2, 0, 1), photometric="rgb", planarconfig="separate",
                          extrasamples=["unassalpha"])),
    ("jpeg 2000", encoded(Image.fromarray(rgba()), "JPEG2000")),
    ("apng", encoded(Image.fromarray(rgba()), "PNG", save_all=True,
                     append_images=[Image.fromarray(rgba(GREEN))])),
]  # fmt: skip


@pytest.mark.parametrize(("name", "data"), FULL, ids=[name for name, _ in FULL])
def test_colours_and_alpha_come_back_exactly(name: str, data: bytes) -> None:
    picture = decode(data, 10_000)
    assert picture.alpha is not None and np.array_equal(picture.alpha, ALPHA)
    seen = ALPHA > 0  # not every format keeps what is not seen
    assert (picture.rgb[seen] == RED).all()


def test_what_is_not_seen_keeps_its_colour_where_the_format_does() -> None:
    assert (decode(encoded(Image.fromarray(rgba()), "PNG"), 10_000).rgb == RED).all()


@pytest.mark.parametrize("name", ["webp", "avif"])
def test_lossy_formats(name: str) -> None:
    picture = decode(encoded(Image.fromarray(rgba()), name.upper(), quality=95), 10_000)
    assert picture.alpha is not None
    assert np.abs(picture.alpha.astype(int) - ALPHA).max() <= 3
    assert np.abs(picture.rgb[:, 6:].astype(int) - RED).max() <= 12


def test_associated_alpha_is_divided_out() -> None:
    data = tiff(premultiplied(ALPHA), photometric="rgb", extrasamples=["assocalpha"])
    picture = decode(data, 10_000)
    assert picture.alpha is not None and np.array_equal(picture.alpha, ALPHA)
    assert np.abs(picture.rgb[:, 3:].astype(int) - RED).max() <= 2


GREYS: list[tuple[str, bytes]] = [
    ("png la", encoded(Image.fromarray(np.dstack([np.full_like(ALPHA, 77), ALPHA])), "PNG")),
    ("png la, 16 bit", png(sixteen(np.dstack([np.full_like(ALPHA, 77), ALPHA])), 16, 4)),
    ("tiff la", tiff(np.dstack([np.full_like(ALPHA, 77), ALPHA]), photometric="minisblack",
                     extrasamples=["unassalpha"], planarconfig="contig")),
]  # fmt: skip


@pytest.mark.parametrize(("name", "data"), GREYS, ids=[name for name, _ in GREYS])
def test_grey_with_alpha(name: str, data: bytes) -> None:
    picture = decode(data, 10_000)
    assert picture.alpha is not None and np.array_equal(picture.alpha, ALPHA)
    assert (picture.rgb[ALPHA > 0] == 77).all()


def test_associated_grey() -> None:
    grey = np.rint(77 * (ALPHA / 255)).astype(np.uint8)
    data = tiff(np.dstack([grey, ALPHA]), photometric="minisblack",
                extrasamples=["assocalpha"], planarconfig="contig")  # fmt: skip
    picture = decode(data, 10_000)
    assert picture.alpha is not None and np.array_equal(picture.alpha, ALPHA)
    assert np.abs(picture.rgb[:, 6:].astype(int) - 77).max() <= 2


GREY16 = np.where(KEYED == 0, 300, 40_000)
KEYS: list[tuple[str, bytes, tuple[int, int, int]]] = [
    ("palette, one index", palette(1), GREEN),
    ("palette, an alpha an entry", palette(bytes([255, 0, 255])), GREEN),
    ("palette of 2 bits", png(np.where(KEYED == 0, 1, 2), 2, 3,
                              chunk(b"PLTE", bytes([0, 0, 0, *RED, *GREEN])),
                              chunk(b"tRNS", b"\xff\0")), GREEN),
    ("gif", gif(), GREEN),
    ("rgb", png(keyed(RED, GREEN), 8, 2, key(*RED)), GREEN),
    ("rgb, 16 bit", png(sixteen(keyed(RED, GREEN)), 16, 2, key(*[c * 257 for c in RED])), GREEN),
    ("grey", png(keyed(9, 77), 8, 0, key(9)), (77, 77, 77)),
    ("grey, black", png(keyed(0, 77), 8, 0, key(0)), (77, 77, 77)),
    ("grey, 4 bits", png(keyed(3, 10), 4, 0, key(3)), (170, 170, 170)),
    ("grey, 2 bits", png(keyed(1, 2), 2, 0, key(1)), (170, 170, 170)),
    ("grey, 1 bit, white key", png(keyed(1, 0), 1, 0, key(1)), (0, 0, 0)),
    ("grey, 1 bit, black key", png(keyed(0, 1), 1, 0, key(0)), (255, 255, 255)),
    ("grey, 16 bits", png(GREY16, 16, 0, key(300)), (156, 156, 156)),
]  # fmt: skip


@pytest.mark.parametrize(("name", "data", "colour"), KEYS, ids=[name for name, *_ in KEYS])
def test_a_transparent_colour(name: str, data: bytes, colour: tuple[int, int, int]) -> None:
    picture = decode(data, 10_000)
    assert picture.alpha is not None and np.array_equal(picture.alpha, KEYED)
    assert (picture.rgb[KEYED > 0] == colour).all()
    assert (picture.on_white()[KEYED == 0] == 255).all()


def test_a_palette_with_half_transparent_colours() -> None:
    picture = decode(palette(bytes([255, 90, 255])), 10_000)
    assert picture.alpha is not None and set(np.unique(picture.alpha)) == {90, 255}
    assert (picture.rgb[KEYED == 0] == RED).all() and (picture.rgb[KEYED > 0] == GREEN).all()


def test_palette_with_an_alpha_plane() -> None:
    image = Image.new("PA", (SIDE, SIDE), (1, 255))
    image.putpalette([0, 0, 0, *RED])
    image.putpixel((0, 0), (1, 40))
    picture = decode(encoded(image, "TIFF"), 10_000)
    assert picture.alpha is not None and picture.alpha[0, 0] == 40 and (picture.rgb == RED).all()


def test_bmp_of_32_bits_without_a_mask_for_alpha_is_opaque() -> None:
    picture = decode(encoded(Image.new("RGB", (SIDE, SIDE), RED), "BMP"), 10_000)
    assert picture.alpha is None


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_what_is_opaque_everywhere_has_no_alpha(mode: str) -> None:
    picture = decode(encoded(Image.new(mode, (SIDE, SIDE), "white"), "PNG"), 10_000)
    assert picture.alpha is None


def test_a_key_that_no_pixel_has_makes_nothing_transparent() -> None:
    data = png(np.broadcast_to(np.uint8(RED), (SIDE, SIDE, 3)), 8, 2, key(1, 2, 3))
    assert decode(data, 10_000).alpha is None


@pytest.mark.parametrize(
    "data",
    [
        encoded(Image.new("RGBA", (9, 9), (*RED, 0)), "PNG"),
        encoded(Image.new("LA", (9, 9), (9, 0)), "PNG"),
        encoded(Image.new("RGBA", (9, 9), (*RED, 0)), "WEBP"),
        png(np.broadcast_to(np.uint8(RED), (SIDE, SIDE, 3)), 8, 2, key(*RED)),
    ],
)
def test_a_wholly_transparent_picture_is_told(data: bytes) -> None:
    with pytest.raises(RowError) as caught:
        decode(data, 10_000)
    assert caught.value.kind == "invisible"


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format", ["PNG", "WEBP", "TIFF", "AVIF"])
def test_alpha_turns_with_the_picture(format: str, orientation: int) -> None:
    alpha = np.full((32, 48), 255, np.uint8)
    alpha[:16, :24] = 0  # the top left quarter
    upright = np.dstack([np.full((32, 48, 3), 90, np.uint8), alpha])
    turned = upright.transpose(1, 0, 2)
    stored = {
        1: upright, 2: upright[:, ::-1], 3: upright[::-1, ::-1], 4: upright[::-1],
        5: turned, 6: turned[::-1], 7: turned[::-1, ::-1], 8: turned[:, ::-1],
    }[orientation]  # fmt: skip
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = Image.fromarray(np.ascontiguousarray(stored))
    options = {"lossless": True} if format == "WEBP" else {}
    picture = decode(encoded(image, format, exif=exif, **options), 10_000)
    assert picture.size == (48, 32) and picture.alpha is not None
    assert (np.abs(picture.alpha.astype(int) - alpha) > 40).mean() < 0.01


@given(st.integers(1, 255), st.integers(0, 255))
def test_off_white_undoes_over_white(alpha: int, value: int) -> None:
    colour = np.full((1, 1, 3), value, np.uint8)
    plane = np.full((1, 1), alpha, np.uint8)
    seen = over_white(colour, plane)
    again = off_white(seen, plane)
    assert np.abs(over_white(again, plane).astype(int) - seen).max() <= 1
    assert np.abs(again.astype(int) - colour).max() <= 128 / alpha + 1


def cut_out() -> Picture:
    """A dark red disc of soft edge, with green where nothing is seen."""
    y, x = np.mgrid[:96, :96] - 47.5
    alpha = np.clip((36 - np.hypot(x, y)) * 40 + 128, 0, 255).astype(np.uint8)
    rgb = np.where(alpha[..., None] > 0, np.uint8((120, 20, 20)), np.uint8(GREEN))
    return Picture(np.ascontiguousarray(rgb), alpha)


@pytest.mark.parametrize("mode", ["none", "feather", "recolor"])
def test_transparent_pixels_are_never_edited(mode: Mode) -> None:
    picture = cut_out()
    assert picture.alpha is not None
    blue = torch.tensor((30, 60, 190)).div(127.5).sub(1).view(3, 1, 1).expand(3, 64, 64)
    everywhere = torch.ones(16, 16)
    edited, mask = paste_back(picture.rgb, blue, everywhere, mode, 0.05, picture.alpha)
    clear = picture.alpha == 0
    assert (mask[clear] == 0).all() and (edited[clear] == GREEN).all()
    assert (mask[40:56, 40:56] == 255).all()
    middle = edited[40:56, 40:56].reshape(-1, 3).mean(axis=0)
    assert middle[2] > 120 > 60 > middle[0]


def test_a_soft_edge_looks_like_the_edit_on_white() -> None:
    picture = cut_out()
    assert picture.alpha is not None
    truth = over_white(np.full_like(picture.rgb, (30, 60, 190)), picture.alpha)
    seen = torch.from_numpy(truth.transpose(2, 0, 1)).float().div(127.5).sub(1)
    edited, _ = paste_back(picture.rgb, seen, torch.ones(12, 12), "none", 0.0, picture.alpha)
    again = Picture(edited, picture.alpha).on_white()
    assert np.abs(again.astype(int) - truth).max() <= 2
    soft = (picture.alpha > 100) & (picture.alpha < 255)
    assert soft.any() and np.abs(edited[soft].astype(int) - (30, 60, 190)).max() <= 4


def test_the_ground_under_transparent_pixels_has_no_say_in_a_recolouring() -> None:
    picture = cut_out()
    other = Picture(np.where(picture.alpha[..., None] > 0, picture.rgb, 0), picture.alpha)  # type: ignore[index]
    edit = torch.rand(3, 64, 64) * 2 - 1
    results = [
        paste_back(p.rgb, edit, torch.ones(16, 16), "recolor", 0.02, p.alpha)[0]
        for p in (picture, other)
    ]
    seen = picture.alpha > 0  # type: ignore[operator]
    assert np.array_equal(results[0][seen], results[1][seen])


def test_an_independent_reader_sees_the_alpha_that_we_write() -> None:
    import imageio.v3 as iio

    from tests.images.test_encode import encode_edited

    picture = cut_out()
    again = iio.imread(io.BytesIO(encode_edited(picture, "png")))
    assert np.array_equal(again[..., 3], picture.alpha)
    assert np.array_equal(again[..., :3], picture.rgb)
