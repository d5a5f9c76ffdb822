"""JPEG in, JPEG out: what the mask leaves is the source's own blocks, whatever decoder looks."""

from __future__ import annotations

import io
import struct
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from pipeline.demo.scenes import Scene
from pipeline.errors import RowError
from pipeline.images import jpeg
from pipeline.images.decode import decode
from pipeline.images.encode import Encoded, encode_edited, narrowed
from pipeline.images.original import Original
from pipeline.images.picture import Picture
from pipeline.images.profile import D65, SRGB, matrix_profile
from pipeline.images.splice import Blocks
from pipeline.images.turned import shown
from tests.images.files import encoded, segment, with_segments
from tests.images.test_encode import assert_marked
from tests.images.test_profile import P3, exif, with_tags

LIMIT = 1_000_000


def scene(size: tuple[int, int] = (200, 150), seed: int = 3) -> Any:
    grain = np.random.default_rng(seed).normal(0, 4, (size[1], size[0], 1))
    smooth = np.asarray(Scene.draw(seed).render(256).resize(size))
    return np.uint8(np.clip(smooth + grain, 0, 255))


def photo(size: tuple[int, int] = (200, 150), **options: Any) -> bytes:
    return encoded(Image.fromarray(scene(size)), "JPEG", **{"quality": 88, **options})


def disc(size: tuple[int, int], at: tuple[int, int] = (90, 70), radius: float = 31) -> Any:
    y, x = np.mgrid[: size[1], : size[0]]
    return np.where(np.hypot(x - at[0], y - at[1]) < radius, np.uint8(255), np.uint8(0))


def edited(data: bytes, mask: Any, **options: Any) -> tuple[Picture, Picture, Encoded]:
    """The source, what was asked for, and the file: another colour inside of the mask."""
    source = decode(data, LIMIT)
    new = np.where(mask[..., None] > 0, source.rgb[..., ::-1], source.rgb)
    wanted = Picture(np.ascontiguousarray(new))
    return source, wanted, encode_edited(wanted, mask, Original(data), "source", **options)


def jpeglibs(data: bytes) -> Any:
    """Decoded by another library: libjpeg 9e by way of jpeglib."""
    import tempfile

    import jpeglib

    before = jpeglib.version.get()
    jpeglib.version.set("9e")
    try:
        with tempfile.NamedTemporaryFile(suffix=".jpg") as file:
            file.write(data)
            file.flush()
            return np.asarray(jpeglib.read_spatial(file.name).spatial)
    finally:
        jpeglib.version.set(before)


KINDS: list[dict[str, Any]] = [
    {"subsampling": 2}, {"subsampling": 1}, {"subsampling": 0}, {"progressive": True},
    {"quality": 30}, {"quality": 99}, {"restart_marker_blocks": 3}, {"optimize": True},
    {"qtables": [[1 + i // 4 for i in range(64)], [2 + i // 2 for i in range(64)],
                 [3 + i // 3 for i in range(64)]]},
]  # fmt: skip


@pytest.mark.parametrize("subsampling", [0, 1, 2])
@pytest.mark.parametrize("size", [(96, 64), (203, 151), (17, 8), (7, 5)])
def test_a_part_is_read_as_the_library_would_by_itself(
    size: tuple[int, int], subsampling: int
) -> None:
    whole = Blocks.of(photo(subsampling=subsampling))
    part = photo(size, subsampling=subsampling)
    known, found = whole._loaded(part, size[::-1]), Blocks.of(part).dct
    assert np.array_equal(known.block_dims, found.block_dims)
    for name in ("Y", "Cb", "Cr"):
        assert np.array_equal(getattr(known, name), getattr(found, name))


@pytest.mark.parametrize("options", KINDS)
@pytest.mark.parametrize("size", [(208, 160), (200, 150), (193, 145)])
def test_the_background_is_the_sources_in_two_decoders(
    size: tuple[int, int], options: dict[str, Any]
) -> None:
    data, mask = photo(size, **options), disc(size)
    source, wanted, file = edited(data, mask)
    assert file.encoding == "copied"
    assert (file.mask[mask > 0] == 255).all() and (file.mask > 0).mean() < 0.5
    outside = file.mask == 0
    assert np.array_equal(decode(file.data, LIMIT).rgb[outside], source.rgb[outside])
    assert np.array_equal(jpeglibs(file.data)[outside], jpeglibs(data)[outside])
    inside = np.abs(decode(file.data, LIMIT).rgb.astype(int) - wanted.rgb)[mask > 0]
    assert inside.mean() < (12 if options.get("quality") == 30 else 8)
    tables = [Image.open(io.BytesIO(d)).quantization for d in (data, file.data)]  # type: ignore[attr-defined]
    assert tables[0] == tables[1]


@settings(max_examples=25, deadline=None)
@given(st.integers(9, 90), st.integers(9, 90), st.sampled_from([0, 1, 2]), st.integers(0, 1 << 30))
def test_any_size_and_mask(width: int, height: int, subsampling: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    noise = Image.fromarray(rng.integers(0, 256, (height, width, 3)).astype(np.uint8))
    data = encoded(noise, "JPEG", quality=90, subsampling=subsampling)
    mask = np.uint8(255) * (rng.random((height, width)) < rng.choice([0, 0.001, 0.02, 1])).astype(
        np.uint8
    )
    source, _, file = edited(data, mask)
    assert file.encoding == "copied"
    outside = file.mask == 0
    assert np.array_equal(decode(file.data, LIMIT).rgb[outside], source.rgb[outside])
    assert (file.mask[mask > 0] == 255).all()
    assert (mask.any() == file.mask.any()) and set(np.unique(file.mask)) <= {0, 255}


DAMAGEABLE = [photo((77, 61), **options) for options in KINDS[:5]]


@settings(max_examples=150, deadline=None)
@given(
    st.sampled_from(DAMAGEABLE),
    st.lists(st.tuples(st.integers(0, 6000), st.integers(0, 255)), min_size=1, max_size=3),
)
def test_of_a_damaged_jpeg_what_is_seen_is_kept_or_told(
    data: bytes, damage: list[tuple[int, int]]
) -> None:
    broken = bytearray(data)
    for at, value in damage:
        broken[2 + at % (len(broken) - 2)] = value
    try:
        size = decode(bytes(broken), LIMIT).size
    except RowError:
        return
    source, _, file = edited(bytes(broken), disc(size, (30, 30), 12))
    assert file.encoding == "copied" or file.encoding.startswith("fresh: ")
    found, outside = decode(file.data, LIMIT), file.mask == 0
    assert found.size == source.size
    if file.encoding == "copied":
        assert np.array_equal(found.rgb[outside], source.rgb[outside])


def test_the_file_is_about_as_large() -> None:
    data = photo((800, 608), optimize=True)
    _, _, file = edited(data, disc((800, 608), (400, 300), 200))
    assert len(file.data) < 1.15 * len(data)


def test_an_empty_mask_copies_all() -> None:
    data = photo()
    source, _, file = edited(data, np.zeros((150, 200), np.uint8))
    assert file.encoding == "copied" and not file.mask.any()
    assert np.array_equal(decode(file.data, LIMIT).rgb, source.rgb)


def test_the_same_bytes_each_time() -> None:
    data, mask = photo(), disc((200, 150))
    assert edited(data, mask)[2].data == edited(data, mask)[2].data


def test_threads_do_not_disturb_each_other() -> None:
    work = [(photo((400, 304), subsampling=i % 3), disc((400, 304), (200, 150), 20 + 9 * i))
            for i in range(12)]  # fmt: skip
    alone = [edited(*one)[2].data for one in work]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda one: edited(*one)[2].data, work))
    assert together == alone


# --- what else the file says


def with_thumbnail() -> bytes:
    """Big-endian EXIF: a maker, orientation 1, and a thumbnail in a directory of its own."""
    thumbnail = encoded(Image.new("RGB", (160, 120), (0, 255, 0)), "JPEG")
    first = struct.pack(">HHHI4s", 2, 0x010F, 2, 4, b"Ace\0")
    first += struct.pack(">HHIHH", 0x0112, 3, 1, 1, 0)
    second_at = 8 + len(first) + 4
    at = second_at + 2 + 24 + 4
    second = struct.pack(">HHHII", 2, 0x0201, 4, 1, at)
    second += struct.pack(">HHII", 0x0202, 4, 1, len(thumbnail)) + bytes(4)
    head = b"MM\0*" + struct.pack(">I", 8) + first + struct.pack(">I", second_at)
    return b"Exif\0\0" + head + second + thumbnail


def test_exif_is_carried_without_the_old_thumbnail_and_the_marker_is_set() -> None:
    data = with_segments(photo(), segment(0xE1, with_thumbnail()))
    _, _, file = edited(data, disc((200, 150)))
    image = Image.open(io.BytesIO(file.data))
    assert image.getexif()[0x010F] == "Ace" and image.getexif()[0x0112] == 1
    assert image.getexif().get_ifd(1) == {}
    assert file.data.count(jpeg.SIGNATURE) == 1  # the thumbnail's bytes are gone as well
    assert_marked(image)


@pytest.mark.parametrize(
    "block", [b"Exif\0\0junk", b"Exif\0\0II*\0\xff\xff\xff\x7f", with_thumbnail()[:30]]
)
def test_broken_exif_is_left_out(block: bytes) -> None:
    _, _, file = edited(with_segments(photo(), segment(0xE1, block)), disc((200, 150)))
    assert file.encoding == "copied"
    assert b"Exif" not in file.data


def test_what_tells_of_the_old_picture_is_left_out() -> None:
    old = [segment(0xED, b"Photoshop 3.0\0old preview"), segment(0xFE, b"old comment"),
           segment(0xE1, jpeg.XMP_HEAD + b"<old/>")]  # fmt: skip
    data = with_segments(photo(), *old) + photo((64, 64)) + b"old trailer"
    _, _, file = edited(data, disc((200, 150)))
    assert b"old" not in file.data and file.data.count(jpeg.SIGNATURE) == 1


@pytest.mark.parametrize("how", ["profile", "exif"])
def test_a_wide_gamut_photo_keeps_its_own_colours(how: str) -> None:
    profile = matrix_profile(P3, D65, None)
    options = {"icc_profile": profile} if how == "profile" else {"exif": exif(b"R03\0", 65535)}
    data, mask = photo(subsampling=0, quality=95, **options), disc((200, 150))
    source, wanted, file = edited(data, mask)
    assert file.encoding == "copied"
    assert Image.open(io.BytesIO(file.data)).info.get("icc_profile") == options.get("icc_profile")
    found = decode(file.data, LIMIT).rgb
    assert np.array_equal(found[file.mask == 0], source.rgb[file.mask == 0])
    assert np.abs(found.astype(int) - wanted.rgb)[mask > 0].mean() < 4


# --- what cannot be copied


def cannot(data: bytes, **options: Any) -> tuple[Picture, Encoded]:
    source = decode(data, LIMIT)
    mask = disc(source.size)
    _, wanted, file = edited(data, mask, **options)
    assert file.encoding.startswith("fresh: "), file.encoding
    image = Image.open(io.BytesIO(file.data))
    assert image.format == "JPEG" and image.mode == "RGB" and "icc_profile" not in image.info
    assert_marked(image)
    found = decode(file.data, LIMIT)
    assert found.size == source.size
    assert np.abs(found.rgb.astype(int) - wanted.rgb).mean() < 6
    return wanted, file


def test_grey_and_inks_are_coded_anew() -> None:
    image = Image.fromarray(scene())
    assert "GRAYSCALE" in cannot(encoded(image.convert("L"), "JPEG"))[1].encoding
    assert "CMYK" in cannot(encoded(image.convert("CMYK"), "JPEG", quality=95))[1].encoding
    assert "RGB" in cannot(encoded(image, "JPEG", keep_rgb=True))[1].encoding


def turned(orientation: int) -> Image.Exif:
    tags = Image.Exif()
    tags[0x0112] = orientation
    tags[0x010F] = "Ace"
    return tags


@pytest.mark.parametrize("orientation", range(2, 9))
@pytest.mark.parametrize("options", KINDS[:3])
def test_a_photo_that_is_stored_turned_stays_so_and_keeps_its_background(
    orientation: int, options: dict[str, Any]
) -> None:
    data = photo((193, 145), exif=turned(orientation), **options)
    size = decode(data, LIMIT).size
    source, wanted, file = edited(data, disc(size, (60, 50), 25))
    assert file.encoding == "copied" and file.mask.shape == size[::-1]
    assert (file.mask > 0).mean() < 0.5
    outside, found = file.mask == 0, decode(file.data, LIMIT).rgb
    assert np.array_equal(found[outside], source.rgb[outside])
    assert np.abs(found.astype(int) - wanted.rgb)[~outside].mean() < 8
    theirs = [shown(jpeglibs(one), orientation) for one in (data, file.data)]
    assert np.array_equal(theirs[0][outside], theirs[1][outside])
    again = Image.open(io.BytesIO(file.data)).getexif()
    assert again[0x0112] == orientation and again[0x010F] == "Ace"


@pytest.mark.parametrize("orientation", range(1, 9))
def test_what_is_protected_in_a_photo_that_is_stored_turned(orientation: int) -> None:
    data = photo((193, 145), exif=turned(orientation))
    size = decode(data, LIMIT).size
    protected = np.zeros(size[::-1], bool)
    protected[50:70, 20:64] = True
    narrow = narrowed(disc(size, (60, 50), 45), protected, Original(data), "source")
    source, _, file = edited(data, narrow, exact=True)
    assert file.encoding == "copied" and narrow.any()
    assert np.array_equal(decode(file.data, LIMIT).rgb[protected], source.rgb[protected])


def test_a_photo_whose_exif_cannot_be_kept_comes_out_upright() -> None:
    xmp = b'<x:xmpmeta><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
    _, file = cannot(photo(xmp=xmp))
    assert "turned" in file.encoding
    assert Image.open(io.BytesIO(file.data)).getexif().get(0x0112, 1) == 1
    two = segment(0xE1, b"Exif\0\0" + turned(6).tobytes().removeprefix(b"Exif\0\0"))
    assert "turned" in cannot(with_segments(photo(), two, two))[1].encoding


def test_a_whole_new_picture_is_coded_anew() -> None:
    assert "whole" in cannot(photo(), everywhere=True)[1].encoding


def test_a_photo_without_its_end() -> None:
    assert "end" in cannot(photo()[:-2])[1].encoding


def test_exif_of_other_colours_is_not_carried_to_srgb() -> None:
    wide = matrix_profile(SRGB, D65, 1.8)
    tags = exif(b"R03\0", 65535)
    wanted, file = cannot(photo(quality=95, exif=tags, icc_profile=wide), everywhere=True)
    assert b"R03" not in file.data
    assert np.abs(decode(file.data, LIMIT).rgb.astype(int) - wanted.rgb).mean() < 4


def test_jpeg_of_another_source_is_on_white() -> None:
    alpha = np.full((150, 200), 255, np.uint8)
    alpha[:, :60] = 0
    picture = Picture(scene(), alpha)
    mask = np.zeros((150, 200), np.uint8)
    source = Original(encoded(Image.fromarray(scene()), "PNG"))
    file = encode_edited(picture, mask, source, "jpeg")
    assert file.encoding == "fresh: the source is no JPEG"
    assert (decode(file.data, LIMIT).rgb[:, :40] >= 250).all()


@pytest.mark.parametrize(
    ("format", "kept"), [("JPEG", "JPEG"), ("PNG", "PNG"), ("WEBP", "WEBP"), ("GIF", "PNG"),
                         ("TIFF", "PNG"), ("BMP", "PNG"), ("AVIF", "PNG")],
)  # fmt: skip
def test_the_sources_own_format(format: str, kept: str) -> None:
    data = encoded(Image.fromarray(scene()), format)
    _, wanted, file = edited(data, disc((200, 150)))
    assert Image.open(io.BytesIO(file.data)).format == kept
    assert file.encoding == ("copied" if kept == "JPEG" else "lossless")
    if kept != "JPEG":
        assert np.array_equal(decode(file.data, LIMIT).rgb, wanted.rgb)


def test_a_profile_that_leads_to_srgb_alone() -> None:
    """As a scanner's: tables to the connection space, none from it."""
    ramp = bytes(range(256))
    nodes = b"".join(
        bytes([r * 40 + g * 150 + b * 65 if r + g + b < 3 else 255, 128 + 60 * (r - g), 128])
        for r, g, b in np.ndindex(2, 2, 2)
    )
    identity = struct.pack(">9i", *(65536 * v for v in (1, 0, 0, 0, 1, 0, 0, 0, 1)))
    lut = b"mft1" + bytes(4) + bytes([3, 3, 2, 0]) + identity + ramp * 3 + nodes + ramp * 3
    tags = [
        (b"wtpt", b"XYZ " + bytes(4) + struct.pack(">3i", 63190, 65536, 54061)),
        (b"desc", b"desc" + bytes(4) + struct.pack(">I", 5) + b"Scan\0" + bytes(78)),
        (b"cprt", b"text" + bytes(4) + b"none\0"),
        (b"A2B0", lut),
    ]
    data = photo(quality=95, icc_profile=with_tags(tags, b"scnr", b"RGB ", b"Lab "))
    assert "no way back" in cannot(data)[1].encoding
