"""Colours: a profile is judged by what it does; what a file says of its colours is honoured."""

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
from pipeline.images.decode import decode
from pipeline.images.profile import ADOBE, D65, SRGB, Primaries, matrix_profile
from tests.images.files import chunk, encoded, png, segment, with_segments
from tests.images.test_encode import encode_edited

P3: Primaries = ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060))
COLOURS = np.random.default_rng(5).integers(20, 236, (24, 24, 3)).astype(np.uint8)
IMAGE = Image.fromarray(COLOURS)
LCMS = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def rgb(data: bytes) -> Any:
    return decode(data, 10_000).rgb.astype(int)


def matrix(primaries: Primaries) -> Any:
    points = (*primaries, D65)
    rows = np.array([(x / y, 1, (1 - x - y) / y) for x, y in points])
    return (rows[:3] * np.linalg.solve(rows[:3].T, rows[3])[:, None]).T


def srgb_curve(values: Any) -> Any:
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def expected(values: Any, primaries: Primaries, gamma: float | None) -> Any:
    """sRGB, 0..255, of `values` in an RGB space, worked out in floating point."""
    level = np.asarray(values) / 255
    linear = srgb_curve(level) if gamma is None else level**gamma
    linear = linear @ matrix(primaries).T @ np.linalg.inv(matrix(SRGB)).T
    linear = linear.clip(0, 1)
    return 255 * np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)


def close(found: Any, wanted: Any, tolerance: float = 1.5) -> bool:
    return bool(np.abs(found - wanted).max() <= tolerance)


def named(profile: bytes, name: str) -> bytes:
    """`profile` with another description."""
    text = name.encode() + b"\0"
    desc = b"desc" + bytes(4) + struct.pack(">I", len(text)) + text + bytes(78)
    table = bytearray(profile) + desc + bytes(-len(desc) % 4)
    for at in range(132, 132 + 12 * struct.unpack_from(">I", profile, 128)[0], 12):
        if profile[at : at + 4] == b"desc":
            struct.pack_into(">II", table, at + 4, len(profile), len(desc))
    struct.pack_into(">I", table, 0, len(table))
    assert ImageCms.getProfileDescription(io.BytesIO(bytes(table))).strip() == name
    return bytes(table)


def grey_profile(gamma: float) -> bytes:
    """ICC version 2, monochrome."""
    tags = [
        (b"wtpt", b"XYZ " + bytes(4) + struct.pack(">3i", 63190, 65536, 54061)),
        (b"desc", b"desc" + bytes(4) + struct.pack(">I", 5) + b"Grey\0" + bytes(78)),
        (b"cprt", b"text" + bytes(4) + b"none\0"),
        (b"kTRC", b"curv" + bytes(4) + struct.pack(">IH", 1, round(gamma * 256))),
    ]
    return with_tags(tags, b"mntr", b"GRAY", b"XYZ ")


def with_tags(tags: list[tuple[bytes, bytes]], kind: bytes, space: bytes, pcs: bytes) -> bytes:
    table, body, at = b"", b"", 132 + 12 * len(tags)
    for name, value in tags:
        table += struct.pack(">4sII", name, at + len(body), len(value))
        body += value + bytes(-len(value) % 4)
    head = struct.pack(">I4sI4s4s4s", at + len(body), b"lcms", 0x02200000, kind, space, pcs)
    head += bytes(12) + b"acsp" + bytes(28) + struct.pack(">3i", 63190, 65536, 54061)
    return head.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + body


def cmyk_profile() -> bytes:
    """A press whose cyan is a middle grey: Lab (50, 0, 0); paper (100, 0, 0), the rest black."""
    ramp = bytes(range(256))
    nodes = b"".join(
        bytes([255 if not any(inks) else 128 if inks == (1, 0, 0, 0) else 0, 128, 128])
        for inks in np.ndindex(2, 2, 2, 2)
    )
    identity = struct.pack(">9i", *(65536 * v for v in (1, 0, 0, 0, 1, 0, 0, 0, 1)))
    lut = b"mft1" + bytes(4) + bytes([4, 3, 2, 0]) + identity + ramp * 4 + nodes + ramp * 3
    tags = [
        (b"wtpt", b"XYZ " + bytes(4) + struct.pack(">3i", 63190, 65536, 54061)),
        (b"desc", b"desc" + bytes(4) + struct.pack(">I", 5) + b"Inks\0" + bytes(78)),
        (b"cprt", b"text" + bytes(4) + b"none\0"),
        (b"A2B0", lut),
    ]
    return with_tags(tags, b"prtr", b"CMYK", b"Lab ")


# --- profiles, by what they do


@pytest.mark.parametrize("name", ["Camera linear sRGB", "sRGB", "sRGB IEC61966-2.1", "x"])
def test_a_linear_profile_is_converted_whatever_its_name(name: str) -> None:
    profile = named(matrix_profile(SRGB, D65, 1.0), name)
    found = rgb(encoded(IMAGE, "PNG", icc_profile=profile))
    assert close(found, expected(COLOURS, SRGB, 1.0))
    assert np.abs(found - COLOURS).mean() > 20


@pytest.mark.parametrize("name", ["Monitor of 2019", "Adobe RGB (1998)", "sRGB"])
def test_a_profile_that_is_srgbs_own_changes_nothing_whatever_its_name(name: str) -> None:
    profile = named(matrix_profile(SRGB, D65, None), name)
    assert np.array_equal(rgb(encoded(IMAGE, "PNG", icc_profile=profile)), COLOURS)


def test_srgb_of_version_4_with_parametric_curves_changes_nothing() -> None:
    assert np.array_equal(rgb(encoded(IMAGE, "PNG", icc_profile=LCMS)), COLOURS)


@pytest.mark.parametrize(
    ("primaries", "gamma"), [(P3, None), (ADOBE, 563 / 256), (SRGB, 1.8), (SRGB, 2.2)]
)
@pytest.mark.parametrize("format", ["PNG", "TIFF"])
def test_other_spaces(format: str, primaries: Primaries, gamma: float | None) -> None:
    profile = matrix_profile(primaries, D65, gamma)
    found = rgb(encoded(IMAGE, format, icc_profile=profile))
    assert close(found, expected(COLOURS, primaries, gamma))


def test_a_wide_gamut_picture_comes_out_as_srgb_without_a_profile() -> None:
    picture = decode(encoded(IMAGE, "PNG", icc_profile=matrix_profile(P3, D65, None)), 10_000)
    for image_format in ("png", "webp"):
        data = encode_edited(picture, image_format)  # type: ignore[arg-type]
        assert "icc_profile" not in Image.open(io.BytesIO(data)).info
        assert np.array_equal(rgb(data), picture.rgb)


def test_a_large_profile_of_a_jpeg_comes_in_pieces() -> None:
    flat = Image.new("RGB", (24, 24), (200, 120, 40))
    profile = matrix_profile(P3, D65, None)
    profile = struct.pack(">I", 300_000) + profile[4:].ljust(299_996, b"\0")
    found = rgb(encoded(flat, "JPEG", quality=95, icc_profile=profile))
    assert close(found, expected((200, 120, 40), P3, None), 4)


def test_a_profile_of_many_megabytes_in_a_png() -> None:
    profile = matrix_profile(P3, D65, None)
    noise = np.random.default_rng(0).bytes(3 << 20)
    profile = struct.pack(">I", len(profile) + len(noise)) + profile[4:] + noise
    assert close(rgb(png(COLOURS, 8, 2, iccp(profile))), expected(COLOURS, P3, None))


# --- grey


@pytest.mark.parametrize("mode", ["L", "LA", "RGB"])
def test_a_grey_profile_on_grey(mode: str) -> None:
    image = Image.new("L", (12, 12), 120).convert(mode)
    if mode == "LA":
        image.putalpha(Image.new("L", (12, 12), 50))
    picture = decode(encoded(image, "PNG", icc_profile=grey_profile(1.8)), 10_000)
    assert close(picture.rgb.astype(int), expected((120,) * 3, SRGB, 1.8))
    assert (picture.alpha == 50).all() if mode == "LA" else picture.alpha is None


def test_a_grey_profile_on_sixteen_bits() -> None:
    data = png(np.full((12, 12), 120 * 257), 16, 0, iccp(grey_profile(1.8)))
    assert close(rgb(data), expected((120,) * 3, SRGB, 1.8))


def test_a_grey_profile_on_colours_does_not_fit_and_has_no_say() -> None:
    data = encoded(IMAGE, "PNG", icc_profile=grey_profile(1.0))
    assert np.array_equal(rgb(data), COLOURS)


def test_a_profile_of_colours_on_grey() -> None:
    image = Image.new("L", (12, 12), 120)
    linear = matrix_profile(SRGB, D65, 1.0)
    assert close(rgb(encoded(image, "PNG", icc_profile=linear)), expected((120,) * 3, SRGB, 1.0))
    assert (rgb(encoded(image, "JPEG", icc_profile=LCMS)) == 120).all()


def test_a_profile_on_a_palette() -> None:
    image = Image.new("P", (12, 12), 1)
    image.putpalette([0, 0, 0, 200, 120, 40])
    data = encoded(image, "PNG", icc_profile=matrix_profile(P3, D65, None))
    assert close(rgb(data), expected((200, 120, 40), P3, None))


# --- inks and Lab


@pytest.mark.parametrize("format", ["TIFF", "JPEG"])
def test_inks_by_their_profile(format: str) -> None:
    options = {"quality": 100} if format == "JPEG" else {}
    for inks, lightness in (((255, 0, 0, 0), 50), ((0, 0, 0, 0), 100), ((0, 255, 255, 0), 0)):
        image = Image.new("CMYK", (16, 16), inks)
        found = rgb(encoded(image, format, icc_profile=cmyk_profile(), **options))
        linear = ((lightness + 16) / 116) ** 3 if lightness > 8 else 0.0
        grey = 255 * (1.055 * max(linear, 0.0031308) ** (1 / 2.4) - 0.055)
        grey = 0 if lightness == 0 else grey
        assert close(found, grey, 4), (inks, found[0, 0])


def test_inks_without_a_profile_are_complements() -> None:
    assert close(rgb(encoded(Image.new("CMYK", (9, 9), (0, 255, 255, 0)), "TIFF")), (255, 0, 0))


def test_profiles_of_other_spaces_have_no_say() -> None:
    inks = Image.new("CMYK", (9, 9), (0, 255, 255, 0))
    assert close(rgb(encoded(inks, "TIFF", icc_profile=LCMS)), (255, 0, 0))
    assert np.array_equal(rgb(encoded(IMAGE, "PNG", icc_profile=cmyk_profile())), COLOURS)


def test_lab() -> None:
    image = Image.new("LAB", (9, 9), (128, 128, 128))
    assert close(rgb(encoded(image, "TIFF")), (119, 119, 119), 2)
    assert close(rgb(encoded(image, "TIFF", icc_profile=LCMS)), (119, 119, 119), 2)


# --- broken profiles


@settings(max_examples=120, deadline=None)
@given(st.integers(0, 600), st.binary(min_size=1, max_size=8), st.booleans())
def test_a_damaged_profile_never_ends_a_row(at: int, new: bytes, cut: bool) -> None:
    profile = matrix_profile(P3, D65, 2.2)
    at %= len(profile)
    damaged = profile[:at] if cut else profile[:at] + new + profile[at + len(new) :]
    if damaged:
        assert rgb(encoded(IMAGE, "PNG", icc_profile=damaged)).shape == COLOURS.shape


def test_a_cut_profile_is_as_none() -> None:
    profile = matrix_profile(P3, D65, None)[:200]
    assert np.array_equal(rgb(encoded(IMAGE, "PNG", icc_profile=profile)), COLOURS)


# --- PNG's own chunks


def iccp(profile: bytes) -> bytes:
    return chunk(b"iCCP", b"x\0\0" + zlib.compress(profile))


def gama(value: int) -> bytes:
    return chunk(b"gAMA", struct.pack(">I", value))


def chrm(primaries: Primaries) -> bytes:
    points = [round(v * 100_000) for point in (D65, *primaries) for v in point]
    return chunk(b"cHRM", struct.pack(">8I", *points))


def cicp(*values: int) -> bytes:
    return chunk(b"cICP", bytes(values))


SRGB_CHUNK = chunk(b"sRGB", b"\0")
LINEAR_PROFILE = iccp(matrix_profile(SRGB, D65, 1.0))

SAID: list[tuple[str, list[bytes], Primaries, float | None]] = [
    ("gAMA of linear light", [gama(100_000)], SRGB, 1.0),
    ("gAMA of old Macs", [gama(55_556)], SRGB, 1.8),
    ("gAMA of sRGB", [gama(45_455)], SRGB, None),
    ("gAMA of 0", [gama(0)], SRGB, None),
    ("gAMA beyond sense", [gama(4_000_000_000)], SRGB, None),
    ("cHRM", [chrm(P3)], P3, None),
    ("cHRM and gAMA", [gama(55_556), chrm(P3)], P3, 1.8),
    ("cHRM of sRGB", [gama(45_455), chrm(SRGB)], SRGB, None),
    ("cHRM on a line", [chrm(((0.3, 0.3), (0.3, 0.3), (0.3, 0.3)))], SRGB, None),
    ("cHRM of zeros", [chrm(((0, 0), (0, 0), (0, 0)))], SRGB, None),
    ("sRGB over gAMA and cHRM", [SRGB_CHUNK, gama(100_000), chrm(P3)], SRGB, None),
    ("iCCP over gAMA", [LINEAR_PROFILE, gama(45_455)], SRGB, 1.0),
    ("iCCP over sRGB", [LINEAR_PROFILE, SRGB_CHUNK], SRGB, 1.0),
    ("cICP of sRGB", [cicp(1, 13, 0, 1)], SRGB, None),
    ("cICP of Display P3", [cicp(12, 13, 0, 1)], P3, None),
    ("cICP of linear light", [cicp(1, 8, 0, 1)], SRGB, 1.0),
    ("cICP over iCCP", [cicp(12, 13, 0, 1), LINEAR_PROFILE], P3, None),
    ("cICP unspecified", [cicp(2, 2, 0, 1)], SRGB, None),
    ("a short gAMA", [chunk(b"gAMA", b"\0")], SRGB, None),
    ("a short cHRM", [chunk(b"cHRM", bytes(9))], SRGB, None),
]


@pytest.mark.parametrize(("name", "chunks", "primaries", "gamma"), SAID, ids=[s[0] for s in SAID])
def test_what_a_png_says(
    name: str, chunks: list[bytes], primaries: Primaries, gamma: float | None
) -> None:
    found = rgb(png(COLOURS, 8, 2, *chunks))
    assert close(found, expected(COLOURS, primaries, gamma))
    if primaries is SRGB and gamma is None:
        assert np.array_equal(found, COLOURS)


@pytest.mark.parametrize("coded", [(9, 16, 0, 1), (9, 18, 0, 1), (12, 16, 0, 1), (200, 13, 0, 1)])
def test_high_dynamic_range_is_refused(coded: tuple[int, ...]) -> None:
    with pytest.raises(RowError) as caught:
        decode(png(COLOURS, 8, 2, cicp(*coded)), 10_000)
    assert caught.value.kind == "unsupported_colour"


# --- other formats


def test_avif_says_its_primaries() -> None:
    flat = Image.new("RGB", (24, 24), (200, 120, 40))
    data = encoded(flat, "AVIF", quality=100)
    assert data.count(b"colrnclx") == 1
    at = data.index(b"colrnclx") + 8
    coded = data[:at] + struct.pack(">HH", 12, 13) + data[at + 4 :]
    assert close(rgb(data), (200, 120, 40), 3)
    assert close(rgb(coded), expected((200, 120, 40), P3, None), 4)
    with pytest.raises(RowError, match="unsupported_colour"):
        decode(data[:at] + struct.pack(">HH", 9, 16) + data[at + 4 :], 10_000)


def test_avif_with_a_profile() -> None:
    flat = Image.new("RGB", (24, 24), (200, 120, 40))
    data = encoded(flat, "AVIF", quality=100, icc_profile=matrix_profile(P3, D65, None))
    assert close(rgb(data), expected((200, 120, 40), P3, None), 4)


def test_jpeg_2000_with_a_profile() -> None:
    flat = Image.new("RGB", (24, 24), (200, 120, 40))
    data = encoded(flat, "JPEG2000")
    profile = matrix_profile(P3, D65, None)
    at = data.index(b"colr") - 4
    (length,) = struct.unpack_from(">I", data, at)
    box = struct.pack(">I", 11 + len(profile)) + b"colr\2\0\0" + profile
    head = data.index(b"jp2h") - 4
    (size,) = struct.unpack_from(">I", data, head)
    grown = struct.pack(">I", size + len(box) - length)
    data = data[:head] + grown + data[head + 4 : at] + box + data[at + length :]
    assert close(rgb(data), expected((200, 120, 40), P3, None), 2)


def exif(index: bytes | None, space: int) -> bytes:
    """A little-endian EXIF block: ColorSpace and, in the interoperability directory, an index."""
    inner = [struct.pack("<HHII", 0xA001, 3, 1, space)]
    if index:
        inner.append(struct.pack("<HHII", 0xA005, 4, 1, 26 + 2 + 24 + 4))
    outer = struct.pack("<H", 1) + struct.pack("<HHII", 0x8769, 4, 1, 26) + bytes(4)
    middle = struct.pack("<H", len(inner)) + b"".join(inner) + bytes(4)
    last = struct.pack("<HHHI4s", 1, 1, 2, 4, index or b"") + bytes(4)
    return b"Exif\0\0" + b"II*\0" + struct.pack("<I", 8) + outer + middle + (last if index else b"")


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize(
    ("index", "space", "adobe"),
    [(b"R03\0", 65535, True), (None, 2, True), (b"R98\0", 1, False), (None, 65535, False)],
)
def test_adobe_rgb_by_exif(format: str, index: bytes | None, space: int, adobe: bool) -> None:
    flat = Image.new("RGB", (24, 24), (180, 120, 70))
    options: dict[str, Any] = {"lossless": True} if format == "WEBP" else {}
    if format == "JPEG":
        options = {"quality": 98}
    data = encoded(flat, format, exif=exif(index, space), **options)
    wanted = expected((180, 120, 70), ADOBE, 563 / 256) if adobe else (180, 120, 70)
    assert close(rgb(data), wanted, 3)
    with_profile = encoded(flat, format, exif=exif(index, space), icc_profile=LCMS, **options)
    assert close(rgb(with_profile), (180, 120, 70), 3)  # the profile knows better


def test_broken_exif_says_nothing() -> None:
    flat = encoded(Image.new("RGB", (24, 24), (180, 120, 70)), "JPEG", quality=98)
    for junk in (b"Exif\0\0", b"Exif\0\0II*\0\xff\xff\xff\x7f", exif(b"R03\0", 65535)[:50]):
        assert close(rgb(with_segments(flat, segment(0xE1, junk))), (180, 120, 70), 3)
