"""The hostile inputs, each made by code, with the outcome of each of its rows. Knows no pipeline.

A case is one shard, or the shards of one folder. Its outcomes are in the order of its rows:
`edited`, or the kind of the dead letter; then `passed over` for each file that is no row's.
`CASES` is everything; `python -m tests.corpus` prints it as a table.
"""

from __future__ import annotations

import gzip
import io
import json
import struct
import tarfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
from PIL import Image, ImageCms

from tests.corpus import layouts, odd_pictures
from tests.sources.make import parquet, tar

MAX_BYTES = 4 << 20
MAX_PIXELS = 1_000_000
"""The limits of the corpus's runs."""

Files = dict[str, bytes | str]
CAPTION = b"a photo of a red mug"


@dataclass(frozen=True)
class Case:
    """`make()` gives the files (a text: a link to it) by path below the input folder.

    All paths begin with `name`.
    """

    name: str
    what: str
    source: str  # webdataset | parquet | folder
    make: Callable[[], Files]
    outcomes: tuple[str, ...]


def pixels(size: tuple[int, int] = (48, 32), mode: str = "RGB") -> Image.Image:
    """A smooth colourful picture."""
    y, x = np.mgrid[0 : size[1], 0 : size[0]] / max(size)
    rgb = np.stack([x, y, 1 - x], axis=-1) * 255
    return Image.fromarray(rgb.astype(np.uint8)).convert(mode)


def encoded(image: Image.Image, format: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, format, **options)
    return out.getvalue()


JPEG = encoded(pixels(), "JPEG")
PNG = encoded(pixels(), "PNG")


# --- pictures, each with a good caption, in a tar of its own


def png_chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def raw_png(width: int, height: int, depth: int, rows: bytes) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, depth, 2, 0, 0, 0)
    body = png_chunk(b"IHDR", header) + png_chunk(b"IDAT", zlib.compress(rows))
    return b"\x89PNG\r\n\x1a\n" + body + png_chunk(b"IEND", b"")


def swapped_profile() -> bytes:
    """sRGB with red's and blue's primaries exchanged, under another name."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for old, new in ((b"rXYZ", b"?XYZ"), (b"bXYZ", b"rXYZ"), (b"?XYZ", b"bXYZ")):
        profile = profile.replace(old, new, 1)
    return profile.replace("sRGB".encode("utf-16-be"), "BGRs".encode("utf-16-be"))


def exif(orientation: int) -> Image.Exif:
    tags = Image.Exif()
    tags[0x0112] = orientation
    return tags


def animation(format: str) -> bytes:
    frames = [pixels(), pixels().transpose(Image.Transpose.ROTATE_180)]
    return encoded(frames[0], format, save_all=True, append_images=frames[1:])


def values(kind: type[np.generic], value: float) -> Image.Image:
    return Image.fromarray(np.full((32, 48), value, kind))


def see_through(colour: tuple[int, int, int, int] = (200, 30, 30, 90)) -> Image.Image:
    return Image.new("RGBA", (48, 32), colour)


PICTURES: list[tuple[str, str, Callable[[], bytes], str]] = [
    ("jpeg", "JPEG", lambda: JPEG, "edited"),
    ("png", "PNG named .jpg", lambda: PNG, "edited"),
    ("webp", "WebP named .jpg", lambda: encoded(pixels(), "WEBP"), "edited"),
    ("gif", "GIF named .jpg", lambda: encoded(pixels(), "GIF"), "edited"),
    ("bmp", "BMP named .jpg", lambda: encoded(pixels(), "BMP"), "edited"),
    ("tiff", "TIFF named .jpg", lambda: encoded(pixels(), "TIFF"), "edited"),
    (
        "progressive",
        "progressive JPEG",
        lambda: encoded(pixels(), "JPEG", progressive=True),
        "edited",
    ),
    ("cmyk", "CMYK JPEG", lambda: encoded(pixels(mode="CMYK"), "JPEG"), "edited"),
    ("lab", "Lab TIFF", lambda: encoded(pixels(mode="LAB"), "TIFF"), "edited"),
    ("grey", "8-bit grey", lambda: encoded(pixels(mode="L"), "PNG"), "edited"),
    ("grey16", "16-bit grey PNG", lambda: encoded(values(np.uint16, 40_000), "PNG"), "edited"),
    (
        "rgb16",
        "16-bit RGB PNG",
        lambda: raw_png(16, 16, 16, (b"\0" + b"\xff\x00" * 48) * 16),
        "edited",
    ),
    ("bilevel", "1-bit PNG", lambda: encoded(pixels(mode="1"), "PNG"), "edited"),
    ("palette", "palette PNG", lambda: encoded(pixels().quantize(16), "PNG"), "edited"),
    (
        "palette-clear",
        "palette PNG with a transparent colour",
        lambda: encoded(pixels().quantize(16), "PNG", transparency=3),
        "edited",
    ),
    ("alpha", "PNG with alpha", lambda: encoded(see_through(), "PNG"), "edited"),
    ("alpha-webp", "WebP with alpha", lambda: encoded(see_through(), "WEBP"), "edited"),
    (
        "invisible",
        "PNG, wholly transparent",
        lambda: encoded(see_through((0, 0, 0, 0)), "PNG"),
        "invisible",
    ),
    ("animated-gif", "animated GIF", lambda: animation("GIF"), "edited"),
    ("animated-webp", "animated WebP", lambda: animation("WEBP"), "edited"),
    ("animated-png", "animated PNG", lambda: animation("PNG"), "edited"),
    ("pages", "TIFF of two pages", lambda: animation("TIFF"), "edited"),
    ("exif", "EXIF-rotated JPEG", lambda: encoded(pixels(), "JPEG", exif=exif(6)), "edited"),
    (
        "exif-broken",
        "JPEG with broken EXIF",
        lambda: encoded(pixels(), "JPEG", exif=b"Exif\0\0garbage"),
        "edited",
    ),
    (
        "icc",
        "JPEG with an unusual ICC profile",
        lambda: encoded(pixels(), "JPEG", icc_profile=swapped_profile()),
        "edited",
    ),
    (
        "icc-broken",
        "JPEG with a broken ICC profile",
        lambda: encoded(pixels(), "JPEG", icc_profile=b"garbage" * 40),
        "edited",
    ),
    (
        "icc-other",
        "CMYK JPEG with an RGB profile",
        lambda: encoded(pixels(mode="CMYK"), "JPEG", icc_profile=swapped_profile()),
        "edited",
    ),
    ("black", "all black", lambda: encoded(Image.new("RGB", (48, 32)), "PNG"), "edited"),
    ("white", "all white", lambda: encoded(Image.new("L", (48, 32), 255), "PNG"), "edited"),
    ("one", "1×1", lambda: encoded(pixels((1, 1)), "PNG"), "too_small"),
    ("line", "1×20000", lambda: encoded(pixels((1, 20_000)), "PNG"), "too_small"),
    ("sliver", "8×20000", lambda: encoded(pixels((8, 20_000)), "PNG"), "extreme_aspect"),
    (
        "bomb",
        "decompression bomb: 400 megapixels in 60 kB",
        lambda: encoded(Image.new("1", (20_000, 20_000)), "PNG"),
        "too_large",
    ),
    (
        "bomb-header",
        "PNG header that claims 4 exapixels",
        lambda: raw_png(2**31 - 1, 2**31 - 1, 8, bytes(64)),
        "too_large",
    ),
    (
        "pixels",
        "one pixel row over the limit",
        lambda: encoded(pixels((1000, 1001)), "PNG"),
        "too_large",
    ),
    ("empty", "empty file", lambda: b"", "empty_file"),
    ("zeros", "zero bytes", lambda: bytes(4096), "not_an_image"),
    ("text", "plain text", lambda: b"not a picture", "not_an_image"),
    ("html", "an HTML error page", lambda: b"<html><h1>404 Not Found</h1></html>", "not_an_image"),
    (
        "svg",
        "SVG with a script",
        lambda: b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
        "not_an_image",
    ),
    (
        "eps",
        "PostScript (Pillow would start Ghostscript)",
        lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 64 64\n(%pipe%id) (w) file\n",
        "not_an_image",
    ),
    ("pdf", "PDF", lambda: b"%PDF-1.7\n1 0 obj\n<<>>\nendobj\n", "not_an_image"),
    ("jpeg-cut", "JPEG, cut in the middle", lambda: JPEG[: len(JPEG) // 2], "undecodable"),
    ("jpeg-head", "JPEG, header alone", lambda: JPEG[:24], "undecodable"),
    ("png-cut", "PNG, cut in the middle", lambda: PNG[: len(PNG) // 2], "undecodable"),
    (
        "png-flip",
        "PNG with flipped bits",
        lambda: PNG[:80] + bytes(255 - b for b in PNG[80:120]) + PNG[120:],
        "undecodable",
    ),
    (
        "nan",
        "floating-point TIFF of NaN",
        lambda: encoded(values(np.float32, float("nan")), "TIFF"),
        "unsupported_mode",
    ),
    (
        "int32",
        "32-bit integer TIFF",
        lambda: encoded(values(np.int32, 1 << 30), "TIFF"),
        "unsupported_mode",
    ),
    *odd_pictures.CASES,
]


# --- captions


CAPTIONS: list[tuple[str, str, bytes | None, str]] = [
    ("none", "no caption file", None, "no_caption"),
    ("empty", "empty caption", b"", "no_caption"),
    ("blank", "caption of white space", b" \n\t ", "no_caption"),
    ("plain", "caption without the word to change", b"a photo of a mug", "no_colour"),
    ("long", "caption of 20,000 characters", CAPTION * 1000, "caption_too_long"),
    ("huge", "caption of 2 MB", b"red " * (1 << 19), "too_large"),
    ("latin1", "Latin-1 caption", b"a red caf\xe9 mug", "not_utf8"),
    ("utf16", "UTF-16 caption", "a red mug".encode("utf-16"), "not_utf8"),
    ("bom", "caption with a byte order mark", b"\xef\xbb\xbfa red mug", "edited"),
    ("control", "caption with control characters", b"a \x1b[31m red\x07\x08 mug\x00\x7f", "edited"),
    ("html", "caption that is a script", b"a red mug <script>alert('red')</script>", "edited"),
    (
        "attribute",
        "caption that breaks out of HTML",
        b'a red mug"><img src=x onerror=alert(1)>',
        "edited",
    ),
    (
        "shell",
        "caption that is a shell command",
        b"a red mug; rm -rf / `id` $(id) && id | id",
        "edited",
    ),
    ("format", "caption of format codes", b"a red mug {0} {x!r} %s %n ${HOME} {{7*7}}", "edited"),
    ("json", "caption that looks like JSON", b'{"a red mug": [null, NaN]}', "edited"),
    ("emoji", "emoji, right-to-left marks", "a red mug 🍵 \u202e\u2066 كوب".encode(), "edited"),
    ("newlines", "caption of many lines", b"a\nred\r\nmug\n\n", "edited"),
]


# --- names


MACOS = ("edited", "passed over", "passed over")
NAMES: list[tuple[str, str, list[tuple[str, bytes]], tuple[str, ...]]] = [
    ("parent", "a key with ../", [("../../etc/x.jpg", JPEG)], ("unsafe_member",)),
    ("absolute", "an absolute path as key", [("/etc/x.jpg", JPEG)], ("unsafe_member",)),
    ("windows", "a Windows path as key", [("C:\\x\\y.jpg", JPEG)], ("edited",)),
    ("markup", "a key that is a script", [("<script>alert(1)<&>.jpg", JPEG)], ("edited",)),
    ("shell", "a key that is a shell command", [("$(id);`id`|id & *?.jpg", JPEG)], ("edited",)),
    ("control", "a key with control characters", [("a\n\x1b[31m\t.jpg", JPEG)], ("edited",)),
    ("latin1", "a key that is not UTF-8", [("caf\udce9.jpg", JPEG)], ("edited",)),
    ("long", "a key of 3,000 characters", [("x" * 3000 + ".jpg", JPEG)], ("edited",)),
    ("upper", "extensions in capitals", [("A.JPG", JPEG)], ("edited",)),
    (
        "repeated",
        "a key that returns later",
        [("a.jpg", JPEG), ("b.jpg", JPEG), ("a.jpg", PNG)],
        ("edited", "edited", "repeated_key"),
    ),
    (
        "adjacent",
        "the same file name twice",
        [("a.jpg", JPEG), ("a.jpg", PNG)],
        ("edited", "repeated_key"),
    ),
    (
        "dotted",
        "img.v1.jpg and img.v2.jpg (one key for WebDataset)",
        [("img.v1.jpg", JPEG), ("img.v2.jpg", PNG)],
        ("repeated_key",),
    ),
    ("resource-fork", "macOS ._ files", [("._a.jpg", b"\0\5\26\7"), ("a.jpg", JPEG)], MACOS),
    ("no-image", "caption without a picture", [("a.txt", CAPTION)], ("no_image",)),
    ("other", "picture of an ending not asked for", [("a.heic", JPEG)], ("no_image",)),
]


def described(files: list[tuple[str, bytes]]) -> list[tuple[str, bytes]]:
    """`files` with a JSON caption for each picture, last in its sample."""
    made: list[tuple[str, bytes]] = []
    for name, data in files:
        made.append((name, data))
        if name.lower().endswith("jpg") and "img.v1" not in name:
            folder, slash, base = name.rpartition("/")
            made.append((f"{folder}{slash}{base.partition('.')[0]}.txt", CAPTION))
    return made


# --- JSON beside the picture


JSONS: list[tuple[str, str, bytes, str]] = [
    ("cut", "JSON, cut off", b'{"a": ', "bad_json"),
    ("list", "JSON that is no object", b"[1, 2]", "bad_json"),
    ("deep", "JSON 100,000 levels deep", b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "bad_json"),
    ("digits", "a number of 100,000 digits", b'{"a": ' + b"9" * 100_000 + b"}", "bad_json"),
    ("nan", "NaN and infinity", b'{"a": NaN, "b": -Infinity, "c": 1e999}', "edited"),
    ("surrogate", "half of a surrogate pair", b'{"a": "\\ud800", "\\udfff": 1}', "edited"),
    ("twice", "the same name twice", b'{"a": 1, "a": {"b": null}}', "edited"),
]


# --- tars


def sample(key: str) -> list[tuple[str, bytes]]:
    return [(f"{key}.jpg", JPEG), (f"{key}.txt", CAPTION)]


THREE = [file for key in ("a", "b", "c") for file in sample(key)]
WHOLE = tar(THREE)
THIRD = WHOLE.index(b"c.jpg")
"""Where the header of the third sample begins."""
TWO_AND_REST = ("edited", "edited", "truncated_shard")


def special(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def with_special(kind: bytes, target: str = "") -> bytes:
    return tar([(special("x.jpg", kind, target), b""), ("x.txt", CAPTION), *sample("y")])


def sparse(size: int) -> bytes:
    info = tarfile.TarInfo("x.jpg")
    info.pax_headers = {"GNU.sparse.map": "0,0", "GNU.sparse.size": str(size)}
    info.pax_headers["GNU.sparse.major"] = "0"
    return tar([(info, b""), ("x.txt", CAPTION), *sample("y")])


def long_header() -> bytes:
    info = tarfile.TarInfo("pax")
    info.type, info.size = tarfile.XHDTYPE, 1 << 34
    return info.tobuf(tarfile.GNU_FORMAT) + bytes(10_240)


def heavy() -> bytes:
    return tar([("x.jpg", bytes(100 << 20)), ("x.txt", CAPTION), *sample("y")], gz=True)


TARS: list[tuple[str, str, str, Callable[[], bytes], tuple[str, ...]]] = [
    ("whole", "a good tar", ".tar", lambda: WHOLE, ("edited",) * 3),
    ("gzip", "a good tar, gzipped", ".tar.gz", lambda: gzip.compress(WHOLE), ("edited",) * 3),
    ("misnamed", "gzip named .tar", ".tar", lambda: gzip.compress(WHOLE), ("edited",) * 3),
    ("empty", "an empty file", ".tar", lambda: b"", ("empty_shard",)),
    ("no-files", "a tar without files", ".tar", lambda: tar([]), ("empty_shard",)),
    (
        "no-samples",
        "a tar without samples",
        ".tar",
        lambda: tar([("README", b"")]),
        ("empty_shard", "passed over"),
    ),
    ("garbage", "garbage named .tar", ".tar", lambda: b"garbage!" * 900, ("unreadable_shard",)),
    ("picture", "a picture named .tar", ".tar", lambda: PNG, ("unreadable_shard",)),
    (
        "gz-garbage",
        "garbage after gzip's magic",
        ".tar.gz",
        lambda: b"\x1f\x8b\x08" + b"garbage!" * 900,
        ("unreadable_shard",),
    ),
    ("cut-header", "cut in a header", ".tar", lambda: WHOLE[: THIRD + 700 + 1024], TWO_AND_REST),
    ("cut-data", "cut in a picture", ".tar", lambda: WHOLE[: THIRD + 600], TWO_AND_REST),
    (
        "cut-between",
        "cut between files",
        ".tar",
        lambda: WHOLE[:THIRD],
        ("edited", "truncated_shard"),
    ),
    (
        "hole",
        "zeros in place of a header (a broken download)",
        ".tar",
        lambda: WHOLE[:THIRD] + bytes(512) + WHOLE[THIRD + 512 :],
        ("edited", "edited", "truncated_shard"),
    ),
    (
        "scribble",
        "garbage in place of a header",
        ".tar",
        lambda: WHOLE[:THIRD] + b"garbage!" * 64 + WHOLE[THIRD + 512 :],
        ("edited", "truncated_shard"),
    ),
    (
        "joined",
        "two tars joined by cat",
        ".tar",
        lambda: WHOLE + tar(sample("d")),
        (*("edited",) * 3, "truncated_shard"),
    ),
    (
        "gz-checksum",
        "gzip with a wrong checksum",
        ".tar.gz",
        lambda: gzip.compress(WHOLE)[:-8] + bytes(8),
        (*("edited",) * 3, "truncated_shard"),
    ),
    (
        "symlink",
        "a symbolic link to /etc/passwd",
        ".tar",
        lambda: with_special(tarfile.SYMTYPE, "/etc/passwd"),
        ("unsafe_member", "edited"),
    ),
    (
        "hardlink",
        "a hard link",
        ".tar",
        lambda: with_special(tarfile.LNKTYPE, "y.jpg"),
        ("unsafe_member", "edited"),
    ),
    (
        "device",
        "a device",
        ".tar",
        lambda: with_special(tarfile.CHRTYPE),
        ("unsafe_member", "edited"),
    ),
    (
        "fifo",
        "a named pipe",
        ".tar",
        lambda: with_special(tarfile.FIFOTYPE),
        ("unsafe_member", "edited"),
    ),
    ("sparse", "a sparse file of zeros", ".tar", lambda: sparse(9000), ("not_an_image", "edited")),
    (
        "sparse-bomb",
        "a sparse file of 1 TB",
        ".tar",
        lambda: sparse(1 << 40),
        ("too_large", "edited"),
    ),
    ("heavy", "a file of 100 MB", ".tar.gz", heavy, ("too_large", "edited")),
    ("long-header", "a pax header of 16 GB", ".tar", long_header, ("unreadable_shard",)),
]


# --- Parquet


def structs(images: list[bytes | None]) -> pa.Array:
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    return pa.array([{"bytes": image, "path": "x.jpg"} for image in images], kind)


TEXT = CAPTION.decode()
TABLE = parquet(row_group=1, image=[JPEG + bytes([i]) for i in range(3)], caption=[TEXT] * 3)


def broken_page() -> bytes:
    page = TABLE.index(JPEG + b"\1") - 16
    return TABLE[:page] + b"\xff" * 12 + TABLE[page + 12 :]


PARQUETS: list[tuple[str, str, Callable[[], bytes], tuple[str, ...]]] = [
    ("0-whole", "a good file", lambda: TABLE, ("edited",) * 3),
    (
        "struct",
        "pictures as {bytes, path}",
        lambda: parquet(image=structs([JPEG]), caption=[TEXT]),
        ("edited",),
    ),
    (
        "null",
        "null pictures and captions",
        lambda: parquet(image=pa.array([None, JPEG], pa.binary()), caption=[TEXT, None]),
        ("no_image", "no_caption"),
    ),
    (
        "path",
        "a path in place of the bytes",
        lambda: parquet(image=structs([None]), caption=[TEXT]),
        ("no_image",),
    ),
    (
        "large",
        "a picture of 5 MB",
        lambda: parquet(image=[bytes(5 << 20)], caption=[TEXT]),
        ("too_large",),
    ),
    (
        "strings",
        "text in the picture column",
        lambda: parquet(image=["a.jpg"], caption=[TEXT]),
        ("wrong_type",),
    ),
    (
        "lists",
        "lists in the caption column",
        lambda: parquet(image=[JPEG], caption=[[TEXT, TEXT]]),
        ("edited", "edited"),
    ),
    (
        "no-image",
        "pictures in another column",
        lambda: parquet(img=[JPEG], caption=[TEXT]),
        ("missing_column",),
    ),
    (
        "no-caption",
        "no caption column",
        lambda: parquet(image=[JPEG], text=[TEXT]),
        ("missing_column",),
    ),
    (
        "binary",
        "a second binary column",
        lambda: parquet(image=[JPEG], caption=[TEXT], thumbnail=[b"\xff\x00"]),
        ("edited",),
    ),
    (
        "values",
        "NaN, dates, nested values",
        lambda: parquet(image=[JPEG], caption=[TEXT], n=[float("nan")], d=[[{"a": None}]]),
        ("edited",),
    ),
    (
        "no-rows",
        "no rows",
        lambda: parquet(image=pa.array([], pa.binary()), caption=pa.array([], pa.string())),
        ("empty_shard",),
    ),
    ("empty", "an empty file", lambda: b"", ("unreadable_shard",)),
    ("cut", "cut off before the footer", lambda: TABLE[:-100], ("unreadable_shard",)),
    (
        "footer",
        "a corrupt footer",
        lambda: TABLE[:-60] + b"\xff" * 52 + TABLE[-8:],
        ("unreadable_shard",),
    ),
    ("page", "a corrupt page", broken_page, ("edited", "truncated_shard")),
    ("garbage", "garbage named .parquet", lambda: b"garbage!" * 900, ("unreadable_shard",)),
]


# --- folders


FOLDERS: list[tuple[str, str, Files, tuple[str, ...]]] = [
    ("sidecar", "captions in .txt", {"a.jpg": JPEG, "a.txt": CAPTION}, ("edited",)),
    (
        "jsonl",
        "a metadata row without its picture",
        {
            "a.jpg": JPEG,
            "metadata.jsonl": b"\n".join(
                json.dumps({"file_name": name, "caption": TEXT}).encode()
                for name in ("a.jpg", "../../../etc/passwd")
            ),
        },
        ("edited", "no_image"),
    ),
    (
        "jsonl-broken",
        "metadata.jsonl with a broken line",
        {"a.jpg": JPEG, "metadata.jsonl": b'{"file_name": "a.jpg", "caption": "a red mug"}\n{oops'},
        ("edited", "bad_metadata"),
    ),
    (
        "csv",
        "metadata.csv with an open quote",
        {"a.jpg": JPEG, "metadata.csv": b'file_name,caption\na.jpg,a red mug\n"b.jpg'},
        ("edited", "bad_metadata"),
    ),
    (
        "csv-latin1",
        "metadata.csv in Latin-1",
        {"a.jpg": JPEG, "metadata.csv": b"file_name,caption\na.jpg,a red caf\xe9"},
        ("bad_metadata", "bad_metadata"),
    ),
    (
        "files",
        "files that only look like pictures",
        {"a.jpg": b"", "b.png": b"<svg/>", "b.txt": CAPTION, "a.txt": CAPTION, "notes.md": b"x"},
        ("empty_file", "not_an_image", "passed over"),
    ),
]


def _tar_of(name: str, files: list[tuple[str, bytes]]) -> Files:
    return {f"{name}.tar": tar(files)}


def _file(path: str, make: Callable[[], bytes]) -> Files:
    return {path: make()}


def _picture(name: str, make: Callable[[], bytes]) -> Files:
    return _tar_of(name, [("x.jpg", make()), ("x.txt", CAPTION)])


def _in_folder(name: str, files: Files) -> Files:
    return {f"{name}/{path}": data for path, data in files.items()}


def _cases() -> list[Case]:
    cases = []
    for name, what, data, outcome in PICTURES:
        name = f"picture-{name}"
        cases.append(Case(name, what, "webdataset", partial(_picture, name, data), (outcome,)))
    for name, what, text, outcome in CAPTIONS:
        name = f"caption-{name}"
        files = [("x.jpg", JPEG)] + ([("x.txt", text)] if text is not None else [])
        cases.append(Case(name, what, "webdataset", partial(_tar_of, name, files), (outcome,)))
    for name, what, files, outcomes in NAMES:
        name = f"name-{name}"
        make = partial(_tar_of, name, described(files))
        cases.append(Case(name, what, "webdataset", make, outcomes))
    for name, what, text, outcome in JSONS:
        name = f"json-{name}"
        files = [*sample("x"), ("x.json", text)]
        cases.append(Case(name, what, "webdataset", partial(_tar_of, name, files), (outcome,)))
    for name, what, ending, data, outcomes in [*TARS, *layouts.TARS]:
        name = f"tar-{name}"
        make = partial(_file, name + ending, data)
        cases.append(Case(name, what, "webdataset", make, outcomes))
    for name, what, data, outcomes in [*PARQUETS, *layouts.PARQUETS]:
        name = f"parquet-{name}"
        make = partial(_file, f"{name}.parquet", data)
        cases.append(Case(name, what, "parquet", make, outcomes))
    for name, what, folder, outcomes in [*FOLDERS, *layouts.FOLDERS]:
        name = f"folder-{name}"
        cases.append(Case(name, what, "folder", partial(_in_folder, name, folder), outcomes))
    for source, name, what, folder, outcomes in layouts.PASSED_SHARDS:
        name = f"shards-{name}"
        cases.append(Case(name, what, source, partial(_in_folder, name, folder), outcomes))
    return cases


CASES = _cases()
