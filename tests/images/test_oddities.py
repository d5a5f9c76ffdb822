"""What is odd beside a picture does not keep it from being read; what is wrong with it is told."""

from __future__ import annotations

import io
import struct
import tracemalloc
import zlib
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from pipeline.errors import RowError
from pipeline.images.decode import decode
from tests.images.files import SIGNATURE, chunk, encoded, png, segment, split, tiff, with_segments

LIMIT = 100_000
RED = (200, 40, 30)
COLOURS = np.random.default_rng(2).integers(0, 256, (20, 24, 3)).astype(np.uint8)
SMOOTH = np.stack(np.broadcast_arrays(
    np.linspace(20, 230, 32)[None], np.linspace(20, 230, 24)[:, None], 90.0), axis=-1
).astype(np.uint8)  # fmt: skip
JPEG = encoded(Image.fromarray(SMOOTH), "JPEG", quality=92)


def rgb(data: bytes) -> Any:
    picture = decode(data, LIMIT)
    assert picture.alpha is None
    return picture.rgb


def kind(data: bytes) -> str:
    with pytest.raises(RowError) as caught:
        decode(data, LIMIT)
    return caught.value.kind


def text(keyword: bytes, value: bytes) -> bytes:
    return chunk(b"zTXt", keyword + b"\0\0" + zlib.compress(value, 9))


def itxt(keyword: bytes, value: bytes, packed: bool = True) -> bytes:
    body = zlib.compress(value, 9) if packed else value
    return chunk(b"iTXt", keyword + b"\0" + bytes([packed, 0]) + b"\0\0" + body)


XMP = b"XML:com.adobe.xmp"
LONG = b"prompt, " * 400_000  # 3.2 MB
WHOLE = chunk(b"tEXt", b"Comment\0hello")
ANIMATION = chunk(b"acTL", struct.pack(">II", 3, 0))
FRAME = chunk(b"fcTL", struct.pack(">IIIIIHHBB", 7, 24, 20, 9, 9, 1, 10, 0, 0))

PNGS: list[tuple[str, bytes]] = [
    ("a long compressed text", png(COLOURS, 8, 2, text(b"Comment", LONG))),
    ("a long text of a workflow", png(COLOURS, 8, 2, chunk(b"tEXt", b"workflow\0" + LONG))),
    ("a large XMP", png(COLOURS, 8, 2, itxt(XMP, LONG, packed=False))),
    ("a large compressed XMP", png(COLOURS, 8, 2, itxt(XMP, LONG))),
    ("an XMP that unpacks to 40 MB", png(COLOURS, 8, 2, itxt(XMP, bytes(40 << 20)))),
    ("90 texts of a megabyte", png(COLOURS, 8, 2, *[text(b"c%d" % i, bytes(1 << 20))
                                                    for i in range(90)])),
    ("a long text after the picture", png(COLOURS, 8, 2, after=text(b"Comment", LONG))),
    ("a text with a wrong checksum", png(COLOURS, 8, 2, chunk(b"tEXt", b"a\0b", checksum=1))),
    ("a date with a wrong checksum", png(COLOURS, 8, 2, chunk(b"tIME", bytes(7), checksum=1))),
    ("a profile with a wrong checksum", png(COLOURS, 8, 2, chunk(b"iCCP", b"x\0\0y", checksum=1))),
    ("a profile that unpacks to 100 MB",
     png(COLOURS, 8, 2, chunk(b"iCCP", b"x\0\0" + zlib.compress(bytes(100 << 20), 9)))),
    ("a profile packed in an unknown way", png(COLOURS, 8, 2, chunk(b"iCCP", b"x\0\7abc"))),
    ("a text packed in an unknown way", png(COLOURS, 8, 2, chunk(b"zTXt", b"x\0\7abc"))),
    ("a text that is not packed at all", png(COLOURS, 8, 2, chunk(b"zTXt", b"x\0\0abc"))),
    ("a text without a keyword", png(COLOURS, 8, 2, chunk(b"tEXt", b""))),
    ("an unknown ancillary chunk", png(COLOURS, 8, 2, chunk(b"prVt", bytes(999)))),
    ("short chunks", png(COLOURS, 8, 2, chunk(b"pHYs", b"\0"), chunk(b"sRGB", b""))),
    ("an animation that lacks its frames", png(COLOURS, 8, 2, ANIMATION)),
    ("an animation out of order", png(COLOURS, 8, 2, ANIMATION, FRAME)),
    ("EXIF of noise", png(COLOURS, 8, 2, chunk(b"eXIf", bytes(range(256))))),
    ("bytes after the end", png(COLOURS, 8, 2) + b"PK\3\4" + bytes(5000)),
    ("another picture after the end", png(COLOURS, 8, 2) + JPEG),
    ("no end", png(COLOURS, 8, 2)[:-12]),
    ("two halves of the data", b""),
]  # fmt: skip


def in_two_halves() -> bytes:
    whole = png(COLOURS, 8, 2)
    at = whole.index(b"IDAT")
    (length,) = struct.unpack_from(">I", whole, at - 4)
    data = whole[at + 4 : at + 4 + length]
    halves = chunk(b"IDAT", data[:100]) + chunk(b"IDAT", b"") + chunk(b"IDAT", data[100:])
    return whole[: at - 4] + halves + whole[at + 8 + length :]


@pytest.mark.parametrize(("name", "data"), PNGS, ids=[name for name, _ in PNGS])
def test_png(name: str, data: bytes) -> None:
    assert np.array_equal(rgb(data or in_two_halves()), COLOURS)


def test_metadata_bombs_are_bounded_in_memory() -> None:
    bombs = [itxt(XMP, bytes(200 << 20)), *(text(b"x", bytes(60 << 20)) for _ in range(4))]
    bombs += [chunk(b"iCCP", b"x\0\0" + zlib.compress(bytes(200 << 20), 9))]
    data = png(COLOURS, 8, 2, *bombs)
    tracemalloc.start()
    try:
        assert np.array_equal(rgb(data), COLOURS)
        assert tracemalloc.get_traced_memory()[1] < 64 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("way", ["exif", "xmp", "packed xmp", "raw profile"])
def test_orientation_of_a_png_survives_the_sorting_of_its_chunks(way: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    xmp = b'<x:xmpmeta><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
    raw = exif.tobytes()
    said = {
        "exif": chunk(b"eXIf", raw.removeprefix(b"Exif\0\0")),
        "xmp": itxt(XMP, xmp, packed=False),
        "packed xmp": itxt(XMP, xmp + b" " * (2 << 20)),
        "raw profile": text(b"Raw profile type exif", b"\nexif\n%8d\n" % len(raw)
                            + raw.hex().encode() + b"\n"),
    }[way]  # fmt: skip
    turned = np.ascontiguousarray(np.rot90(COLOURS))  # upright again when turned clockwise
    assert np.array_equal(rgb(png(turned, 8, 2, WHOLE, said)), COLOURS)


def damaged(data: bytes, name: bytes) -> bytes:
    at = data.index(name) + 4
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def test_damage_to_the_picture_itself_is_told() -> None:
    whole = png(COLOURS, 8, 2)
    assert kind(damaged(whole, b"IDAT")) == "undecodable"
    assert kind(damaged(whole, b"IHDR")) == "undecodable"
    assert kind(whole[: len(whole) // 2]) == "undecodable"
    assert kind(whole[:-40]) == "undecodable"
    assert kind(whole[:20]) in ("undecodable", "not_an_image")
    assert kind(SIGNATURE) == "undecodable"
    keyed = png(COLOURS, 8, 2, chunk(b"tRNS", bytes(6), checksum=1))
    assert kind(keyed) == "undecodable"  # what is transparent would come out visible
    assert kind(png(COLOURS, 8, 2, chunk(b"tRNS", b"\0"))) == "undecodable"
    packed = zlib.compress(bytes(73 * 20))
    iphone = SIGNATURE + chunk(b"CgBI", bytes(4)) + whole[8:33]
    iphone += chunk(b"IDAT", packed[2:-4]) + chunk(b"IEND", b"")
    assert kind(iphone) == "undecodable"  # Apple's own variant, with another order of colours


def test_interlaced_and_sixteen_bits() -> None:
    values = np.random.default_rng(3).integers(0, 65536, (10, 12, 3))
    found = rgb(png(values, 16, 2)).astype(int)
    assert np.abs(found - values / 257).max() <= 1
    grey = rgb(png(values[..., 0], 16, 0)).astype(int)
    assert np.abs(grey - values[..., :1] / 257).max() <= 0.5


# --- JPEG

EXIF_NOISE = segment(0xE1, b"Exif\0\0" + bytes(60_000))
PLAIN = np.asarray(Image.open(io.BytesIO(JPEG)).convert("RGB"))

JPEGS: list[tuple[str, bytes]] = [
    ("bytes after the end", JPEG + b"SEFT" + bytes(70_000)),
    ("another JPEG after the end", JPEG + JPEG),
    ("without its end marker", JPEG[:-2]),
    ("with half an end marker", JPEG[:-1]),
    ("200 application segments", with_segments(JPEG, *[segment(0xEC, bytes(60_000))] * 200)),
    ("a long comment", with_segments(JPEG, segment(0xFE, bytes(65_000)))),
    ("large EXIF", with_segments(JPEG, EXIF_NOISE)),
    ("two EXIF segments", with_segments(JPEG, EXIF_NOISE, EXIF_NOISE)),
    ("XMP in many parts", with_segments(JPEG, *[
        segment(0xE1, b"http://ns.adobe.com/xmp/extension/\0" + bytes(60_000))] * 40)),
    ("a profile that lacks a part", with_segments(JPEG, segment(0xE2, b"ICC_PROFILE\0\1\2abc"))),
    ("a profile that is noise", with_segments(JPEG, segment(0xE2, b"ICC_PROFILE\0\1\1abc"))),
    ("photoshop's block, cut", with_segments(JPEG, segment(0xED, b"Photoshop 3.0\0" b"8BIM\4"))),
    ("a broken index of more pictures", with_segments(JPEG, segment(0xE2, b"MPF\0II*\0\xff\xff"))),
    ("fill bytes before markers", JPEG[:2] + b"\xff\xff\xff" + JPEG[2:]),
    ("Adobe's mark, cut", with_segments(JPEG, segment(0xEE, b"Adobe"))),
    ("photoshop's block without a name", with_segments(JPEG, segment(0xED, b"Photoshop 3.0\0"
                                                                     b"8BIM\4\4"))),
    ("a JFIF without its density", with_segments(JPEG, segment(0xE0, b"JFIF\0\1"))),
]  # fmt: skip


@pytest.mark.parametrize(("name", "data"), JPEGS, ids=[name for name, _ in JPEGS])
def test_jpeg(name: str, data: bytes) -> None:
    assert np.array_equal(rgb(data), PLAIN)


@pytest.mark.parametrize("options", [
    {}, {"progressive": True}, {"restart_marker_blocks": 2}, {"subsampling": 0}, {"optimize": True},
])  # fmt: skip
def test_a_missing_end_marker_is_told_from_missing_picture(options: dict[str, Any]) -> None:
    data = encoded(Image.fromarray(SMOOTH), "JPEG", quality=92, **options)
    assert np.array_equal(rgb(data[:-2]), rgb(data))
    for cut in (4, 10, 60, len(data) // 3):
        assert kind(data[:-cut]) == "undecodable", cut
    for kept in (len(data) // 2, len(data) - 30):  # a download into a file made beforehand
        assert kind(data[:kept].ljust(len(data), b"\0")) == "undecodable"


def test_jpegs_of_other_kinds() -> None:
    image = Image.fromarray(SMOOTH)
    for options in ({"progressive": True}, {"keep_rgb": True}, {"restart_marker_rows": 1}):
        found = rgb(encoded(image, "JPEG", quality=98, subsampling=0, **options))
        assert np.abs(found.astype(int) - SMOOTH).max() <= 4


def test_more_pictures_in_one_jpeg_the_first_counts() -> None:
    other = Image.new("RGB", (64, 48), RED)
    data = encoded(Image.fromarray(SMOOTH), "MPO", save_all=True, append_images=[other], quality=92)
    assert Image.open(io.BytesIO(data)).n_frames == 2
    assert np.array_equal(rgb(data), PLAIN)


def test_inks_are_inverted_where_adobe_says_so_and_only_there() -> None:
    inks = encoded(Image.new("CMYK", (16, 16), (0, 255, 255, 0)), "JPEG", quality=100)
    assert any(marker == b"\xff\xee" for marker, _ in split(inks))
    assert np.abs(rgb(inks).astype(int) - (255, 0, 0)).max() <= 3
    plain = b"".join(part for marker, part in split(inks) if marker != b"\xff\xee")
    assert np.abs(rgb(plain).astype(int) - (0, 0, 0)).max() <= 3  # C 1, M 0, Y 0, K 1 of it


def test_a_jpeg_that_cannot_be_read_says_why() -> None:
    at = JPEG.index(b"\xff\xc0") + 4
    with pytest.raises(RowError, match=r"undecodable: a JPEG file that cannot be read.*12-bit"):
        decode(JPEG[:at] + b"\x0c" + JPEG[at + 1 :], LIMIT)


# --- TIFF


TIFFS: list[tuple[str, bytes, Any]] = [
    ("big-endian", tiff(COLOURS, photometric="rgb", byteorder=">"), COLOURS),
    ("BigTIFF", tiff(COLOURS, photometric="rgb", bigtiff=True), COLOURS),
    ("lzw-like deflate with a predictor",
     tiff(COLOURS, photometric="rgb", compression="zlib", predictor=True), COLOURS),
    ("tiles", tiff(COLOURS, photometric="rgb", tile=(16, 16)), COLOURS),
    ("planes", tiff(COLOURS.transpose(2, 0, 1), photometric="rgb", planarconfig="separate"),
     COLOURS),
    ("strips", tiff(COLOURS, photometric="rgb", rowsperstrip=3), COLOURS),
    ("grey, white is 0", tiff(255 - COLOURS[..., 0], photometric="miniswhite"), COLOURS[..., :1]),
    ("grey, 16 bits", tiff(COLOURS[..., 0].astype(np.uint16) * 257), COLOURS[..., :1]),
    ("grey, 16 bits, big-endian", tiff(COLOURS[..., 0].astype(np.uint16) * 257, byteorder=">"),
     COLOURS[..., :1]),
    ("grey, 16 bits, white is 0",
     tiff(65535 - COLOURS[..., 0].astype(np.uint16) * 257, photometric="miniswhite"),
     COLOURS[..., :1]),
    ("colours, 16 bits", tiff(COLOURS.astype(np.uint16) * 257, photometric="rgb"), COLOURS),
    ("colours, 16 bits, deflated",
     tiff(COLOURS.astype(np.uint16) * 257, photometric="rgb", compression="zlib"), COLOURS),
    ("an unspecified fourth channel is no alpha",
     tiff(np.dstack([COLOURS, COLOURS[..., 0]]), photometric="rgb", extrasamples=["unspecified"]),
     COLOURS),
    ("a private tag of 300 kB", tiff(COLOURS, photometric="rgb",
                                     extratags=[(65000, 7, 300_000, bytes(300_000), True)]),
     COLOURS),
    ("odd tags", tiff(COLOURS, photometric="rgb", extratags=[
        (700, 1, 4, b"junk", True), (34665, 4, 1, 9, True), (33723, 7, 3, b"abc", True)]), COLOURS),
]  # fmt: skip


@pytest.mark.parametrize(("name", "data", "values"), TIFFS, ids=[t[0] for t in TIFFS])
def test_tiff(name: str, data: bytes, values: Any) -> None:
    assert np.abs(rgb(data).astype(int) - values).max() <= 1


def test_twelve_bits_reach_white() -> None:
    values = np.full((8, 8), 4095)
    rows = np.packbits((values[..., None] >> np.arange(11, -1, -1)) & 1, axis=None).tobytes()
    entries = [(256, 3, 8), (257, 3, 8), (258, 3, 12), (259, 3, 1), (262, 3, 1)]
    entries += [(273, 4, 8 + 2 + 12 * 9 + 4), (277, 3, 1), (278, 3, 8), (279, 4, len(rows))]
    table = struct.pack("<H", len(entries))
    for tag, type_, value in entries:
        table += struct.pack("<HHII", tag, type_, 1, value)
    data = b"II*\0" + struct.pack("<I", 8) + table + bytes(4) + rows
    assert (rgb(data) == 255).all()


def test_the_first_of_many_pages() -> None:
    out = io.BytesIO()
    with tifffile.TiffWriter(out) as writer:
        writer.write(COLOURS, photometric="rgb")
        writer.write(COLOURS[::2, ::2], photometric="rgb", subfiletype=1)
    assert np.array_equal(rgb(out.getvalue()), COLOURS)


def test_a_thumbnail_is_not_taken_for_the_picture() -> None:
    """As in camera raw files, whose first picture is a preview."""
    assert kind(tiff(COLOURS, photometric="rgb", subfiletype=1)) == "unsupported_mode"
    version = [(50706, 1, 4, b"\1\4\0\0", True)]
    assert kind(tiff(COLOURS, photometric="rgb", extratags=version)) == "unsupported_mode"


@pytest.mark.parametrize("kind_of_number", [np.float32, np.float64, np.uint32, np.int16])
def test_numbers_that_are_no_picture_are_told(kind_of_number: type) -> None:
    data = tiff(COLOURS[..., 0].astype(kind_of_number))
    assert kind(data) in ("unsupported_mode", "undecodable")
    data = tiff(COLOURS.astype(kind_of_number), photometric="rgb")
    assert kind(data) in ("unsupported_mode", "undecodable")


@pytest.mark.parametrize("compression", ["tiff_lzw", "packbits", "tiff_adobe_deflate", "jpeg"])
@pytest.mark.parametrize("mode", ["RGB", "L", "1", "P", "CMYK"])
def test_tiff_against_another_decoder(mode: str, compression: str) -> None:
    if compression == "jpeg" and mode in ("1", "P"):
        return
    image = Image.fromarray(SMOOTH).convert(mode)
    data = encoded(image, "TIFF", compression=compression)
    wanted = np.asarray(image.convert("RGB")).astype(int)
    assert np.abs(rgb(data) - wanted).max() <= (0 if compression != "jpeg" else 24)
    if mode == "RGB" and compression in ("tiff_adobe_deflate", "packbits"):
        assert np.array_equal(tifffile.imread(io.BytesIO(data)), rgb(data))


# --- the rest


def test_bmp_variants() -> None:
    whole = encoded(Image.fromarray(COLOURS), "BMP")
    height = struct.pack("<i", -20)
    flipped = whole[:22] + height + whole[26:]
    assert np.array_equal(rgb(whole), COLOURS)
    assert np.array_equal(rgb(flipped), COLOURS[::-1])  # a negative height: the top row first
    assert np.array_equal(rgb(whole + bytes(999)), COLOURS)
    assert kind(whole[: len(whole) // 2]) == "undecodable"


def test_gif_variants() -> None:
    image = Image.fromarray(SMOOTH).quantize(64)
    wanted = np.asarray(image.convert("RGB"))
    for options in ({"interlace": 1}, {"interlace": 0}, {"comment": b"x" * 90_000}):
        assert np.array_equal(rgb(encoded(image, "GIF", **options)), wanted)
    assert np.array_equal(rgb(encoded(image, "GIF") + bytes(100)), wanted)


def test_webp_variants() -> None:
    options = {"lossless": True, "exif": b"Exif\0\0" + bytes(90_000), "xmp": bytes(3 << 20)}
    data = encoded(Image.fromarray(COLOURS), "WEBP", **options)
    assert np.array_equal(rgb(data), COLOURS)
    assert np.array_equal(rgb(data + bytes(100)), COLOURS)
    assert kind(data[:300]) == "undecodable"


def test_portable_maps() -> None:
    values = (COLOURS[..., 0].astype(">u2") * 257).tobytes()
    assert np.abs(rgb(b"P5\n24 20\n65535\n" + values).astype(int) - COLOURS[..., :1]).max() <= 1
    assert np.array_equal(rgb(b"P6\n# made by hand\n24 20\n255\n" + COLOURS.tobytes()), COLOURS)
    assert (rgb(b"P1\n8 8\n" + b"0 " * 64) == 255).all()
    assert kind(b"P6\n24 20\n255\n" + bytes(99)) == "undecodable"


def test_jpeg_2000() -> None:
    for options in ({}, {"no_jp2": True}, {"irreversible": False}, {"tile_size": (16, 16)}):
        assert np.array_equal(
            rgb(encoded(Image.fromarray(COLOURS), "JPEG2000", **options)), COLOURS
        )
    grey = encoded(Image.fromarray(COLOURS[..., 0]), "JPEG2000")
    assert np.array_equal(rgb(grey), COLOURS[..., :1].repeat(3, axis=-1))
    assert kind(grey[:150]) == "undecodable"


def test_avif() -> None:
    data = encoded(Image.fromarray(SMOOTH), "AVIF", quality=95, subsampling="4:4:4")
    assert np.abs(rgb(data).astype(int) - SMOOTH).max() <= 8
    assert kind(data[: len(data) // 2]) == "undecodable"
    heic = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(200)
    assert kind(heic) in ("not_an_image", "undecodable")


def test_our_limit_decides_not_a_librarys() -> None:
    bomb = encoded(Image.new("1", (20_000, 10_000)), "PNG")  # 200 megapixels in 25 kB
    assert kind(bomb) == "too_large"
    assert decode(encoded(Image.new("L", (400, 300), 5), "PNG"), 120_000).size == (400, 300)
    assert Image.MAX_IMAGE_PIXELS is None
