"""How data lie, as people and their tools leave them: names, tables, links, odd values. Knows no
pipeline.

A file's content is bytes, or the target of a link. Outcomes as in `cases`.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import unicodedata
import uuid
from collections.abc import Callable, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from tests.sources.make import parquet, photo, tar

Files = dict[str, bytes | str]

JPEG = photo(1, (48, 32))
TEXT = "a photo of a red mug"
CAPTION = TEXT.encode()
POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"
PASSED = "passed over"
NFC, NFD = (unicodedata.normalize(form, "café") for form in ("NFC", "NFD"))


def jsonl(*rows: dict[str, Any]) -> bytes:
    return b"\n".join(json.dumps(row).encode() for row in rows)


def named(*names: str) -> bytes:
    """metadata.jsonl with a good caption for each name."""
    return jsonl(*({"file_name": name, "caption": TEXT} for name in names))


def table(*rows: Sequence[str], **options: Any) -> bytes:
    """metadata.csv."""
    out = io.StringIO()
    csv.writer(out, **options).writerows([("file_name", "caption"), *rows])
    return out.getvalue().encode()


def table_parquet(**columns: Any) -> bytes:
    return parquet(**columns)


# --- folders


FOLDERS: list[tuple[str, str, Files, tuple[str, ...]]] = [
    (
        "endings",
        "a.jpg b.jfif c.jpe d.HEIC f.jpg_large, each with a .txt",
        {
            name: data
            for stem, ending in (("a", "jpg"), ("b", "jfif"), ("c", "jpe"), ("d", "HEIC"))
            for name, data in ((f"{stem}.{ending}", JPEG), (f"{stem}.txt", CAPTION))
        }
        | {"f.jpg_large": JPEG, "f.txt": CAPTION},
        ("edited", "edited", "edited", *(PASSED,) * 4),
    ),
    (
        "table-jfif",
        "a metadata table that names b.jfif",
        {"b.jfif": JPEG, "metadata.jsonl": named("b.jfif")},
        ("edited",),
    ),
    (
        "table-heic",
        "a metadata table that names a .heic, which is not read",
        {"a.jpg": JPEG, "b.heic": b"x", "metadata.jsonl": named("a.jpg", "b.heic")},
        ("edited", "no_image", PASSED),
    ),
    (
        "five",
        "five rows of metadata.jsonl for one picture: five captions",
        {"a.jpg": JPEG, "metadata.jsonl": named(*["a.jpg"] * 5)},
        ("edited",) * 5,
    ),
    (
        "list",
        "a list of captions in metadata.jsonl",
        {
            "a.jpg": JPEG,
            "metadata.jsonl": jsonl({"file_name": "a.jpg", "caption": [TEXT, None, "", TEXT]}),
        },
        ("edited", "edited"),
    ),
    (
        "nested",
        "a table above the pictures' folders, as Hugging Face's imagefolder has it",
        {
            "x/a.jpg": JPEG,
            "y/b.jpg": JPEG,
            "metadata.jsonl": named("x/a.jpg", "./y\\b.jpg", "z/none.jpg", "x/none.jpg"),
        },
        ("edited", "no_image", "no_image", "edited"),
    ),
    (
        "nested-both",
        "a table beside the pictures and another above them",
        {
            "x/a.jpg": JPEG,
            "x/b.jpg": JPEG,
            "x/metadata.csv": table(("a.jpg", TEXT)),
            "metadata.jsonl": named("x/b.jpg"),
        },
        ("edited", "edited"),
    ),
    (
        "table-parquet",
        "metadata.parquet",
        {"a.jpg": JPEG, "metadata.parquet": table_parquet(file_name=["a.jpg"], caption=[TEXT])},
        ("edited",),
    ),
    (
        "two-tables",
        "metadata.csv beside metadata.jsonl",
        {"a.jpg": JPEG, "metadata.csv": table(("a.jpg", "x")), "metadata.jsonl": named("a.jpg")},
        ("edited", PASSED),
    ),
    (
        "table-alone",
        "a table without pictures, beside a folder with some",
        {"x/a.jpg": JPEG, "x/a.txt": CAPTION, "y/metadata.csv": table(("a.jpg", TEXT))},
        ("edited", PASSED),
    ),
    (
        "table-upper",
        "names of another case in the table: A.JPG for a.jpg",
        {"a.jpg": JPEG, "metadata.csv": table(("A.JPG", TEXT))},
        ("edited",),
    ),
    (
        "table-cases",
        "a.jpg and A.jpg, both in the table",
        {"a.jpg": JPEG, "A.jpg": JPEG, "metadata.csv": table(("a.jpg", TEXT), ("A.jpg", TEXT))},
        ("edited", "edited"),
    ),
    (
        "table-ambiguous",
        "a.JPG in the table, a.jpg and A.jpg in the folder",
        {"a.jpg": JPEG, "A.jpg": JPEG, "metadata.csv": table(("a.JPG", TEXT))},
        ("no_caption", "no_caption", "ambiguous_name"),
    ),
    (
        "table-lost-case",
        "a.jpg and A.jpg in the table, only a.jpg in the folder",
        {"a.jpg": JPEG, "metadata.csv": table(("a.jpg", TEXT), ("A.jpg", TEXT))},
        ("edited", "no_image"),
    ),
    (
        "table-nfd",
        "é in one Unicode form in the table and in the other on disk",
        {f"{NFD}.jpg": JPEG, "metadata.jsonl": named(f"{NFC}.jpg")},
        ("edited",),
    ),
    (
        "table-ways-out",
        "absolute paths, URLs and .. in the table",
        {
            "a.jpg": JPEG,
            "a.txt": CAPTION,
            "metadata.csv": table(
                ("/etc/passwd", "x"),
                ("C:\\a.jpg", "x"),
                ("https://x/a.jpg", "x"),
                ("../a.jpg", "x"),
            ),
        },
        ("edited", *("no_image",) * 4),
    ),
    (
        "table-semicolons",
        "metadata.csv with semicolons, quotes, a byte order mark and CRLF",
        {
            "a.jpg": JPEG,
            "metadata.csv": b"\xef\xbb\xbf"
            + table(("a.jpg", TEXT), delimiter=";", quoting=csv.QUOTE_ALL),
        },
        ("edited",),
    ),
    (
        "table-tabs",
        "metadata.csv with tabs",
        {"a.jpg": JPEG, "metadata.csv": table(("a.jpg", TEXT), delimiter="\t")},
        ("edited",),
    ),
    (
        "table-commas",
        "a caption with an unquoted comma",
        {"a.jpg": JPEG, "metadata.csv": b"file_name,caption\na.jpg,a mug, red\n"},
        ("bad_metadata", "bad_metadata"),
    ),
    (
        "table-no-name",
        "metadata.csv without file_name",
        {"a.jpg": JPEG, "metadata.csv": b"image,caption\na.jpg,a red mug\n"},
        ("bad_metadata", "bad_metadata"),
    ),
    (
        "table-middle",
        "a broken line in the middle of metadata.jsonl",
        {
            "a.jpg": JPEG,
            "b.jpg": JPEG,
            "metadata.jsonl": named("a.jpg") + b"\n{oops\n" + named("b.jpg"),
        },
        ("edited", "edited", "bad_metadata"),
    ),
    (
        "table-pointer",
        "a Git LFS pointer in place of metadata.csv",
        {"a.jpg": JPEG, "metadata.csv": POINTER},
        ("bad_metadata", "bad_metadata"),
    ),
    (
        "table-and-text",
        "a table for one picture, a .txt for the other",
        {"a.jpg": JPEG, "b.jpg": JPEG, "b.txt": CAPTION, "metadata.csv": table(("a.jpg", TEXT))},
        ("edited", "edited"),
    ),
    (
        "sidecar-case",
        "IMG_1.JPG with img_1.TXT",
        {"IMG_1.JPG": JPEG, "img_1.TXT": CAPTION},
        ("edited",),
    ),
    (
        "sidecar-cases",
        "a.jpg and A.jpg with A.txt alone",
        {"a.jpg": JPEG, "A.jpg": JPEG, "A.txt": CAPTION},
        ("edited", "no_caption"),
    ),
    (
        "sidecar-nfd",
        "a picture and its .txt in two Unicode forms",
        {f"{NFD}.jpg": JPEG, f"{NFC}.txt": CAPTION},
        ("edited",),
    ),
    (
        "sidecar-kinds",
        "captions in .caption, .json and .jpg.txt",
        {
            "a.jpg": JPEG,
            "a.caption": CAPTION,
            "b.jpg": JPEG,
            "b.json": jsonl({"caption": TEXT}),
            "c.jpg": JPEG,
            "c.jpg.txt": CAPTION,
        },
        ("edited",) * 3,
    ),
    (
        "sidecar-json-broken",
        "a broken .json for a caption, and one that is not needed",
        {"a.jpg": JPEG, "a.json": b"{", "b.jpg": JPEG, "b.json": b"{", "b.txt": CAPTION},
        ("bad_json", "edited"),
    ),
    (
        "sidecar-crlf",
        "a .txt with a byte order mark and CRLF",
        {"a.jpg": JPEG, "a.txt": b"\xef\xbb\xbf" + CAPTION + b"\r\n"},
        ("edited",),
    ),
    (
        "sidecar-alone",
        "captions without pictures",
        {"a.jpg": JPEG, "a.txt": CAPTION, "b.txt": CAPTION, "c.json": b"{}"},
        ("edited", PASSED, PASSED),
    ),
    (
        "systems",
        "what macOS, Windows and Git leave",
        {
            "a.jpg": JPEG,
            "a.txt": CAPTION,
            "._a.jpg": b"\0\5\26\7",
            ".DS_Store": b"\0\0\0\1Bud1",
            "__MACOSX/._a.jpg": b"\0\5\26\7",
            "__MACOSX/b.jpg": JPEG,
            ".git/HEAD": b"ref",
            "Thumbs.db": b"x",
            "desktop.ini": b"[x]",
            "_DSC0001.JPG": JPEG,
            "_DSC0001.txt": CAPTION,
        },
        ("edited", "edited", *(PASSED,) * 7),
    ),
    (
        "img2dataset",
        "img2dataset's files format",
        {
            "00000/000000000.jpg": JPEG,
            "00000/000000000.txt": CAPTION,
            "00000/000000000.json": jsonl({"url": "http://x/a.jpg", "caption": TEXT}),
            "00000.parquet": b"x",
            "00000_stats.json": b"{}",
        },
        ("edited", PASSED, PASSED),
    ),
    (
        "mixed",
        "tars, zips and Parquet beside pictures",
        {"a.jpg": JPEG, "a.txt": CAPTION, "b.tar": b"x", "c.zip": b"x", "d.parquet": b"x"},
        ("edited", *(PASSED,) * 3),
    ),
    (
        "linked-folder",
        "a linked folder, and the folder that it leads to",
        {"real/a.jpg": JPEG, "real/a.txt": CAPTION, "link": "real"},
        ("edited", PASSED),
    ),
    (
        "linked-files",
        "linked files, as caches of data sets have them",
        {
            "blobs/0a1b": JPEG,
            "blobs/0c": CAPTION,
            "x/a.jpg": "../blobs/0a1b",
            "x/a.txt": "../blobs/0c",
        },
        ("edited", PASSED, PASSED),
    ),
    (
        "loop",
        "links to the folder itself and above",
        {"x/a.jpg": JPEG, "x/a.txt": CAPTION, "x/loop": ".", "x/up": "..", "x/root": "/"},
        ("edited", *(PASSED,) * 3),
    ),
    (
        "dangling",
        "links that lead nowhere, or to themselves",
        {"a.jpg": JPEG, "a.txt": CAPTION, "b.jpg": "gone.jpg", "c.jpg": "c.jpg"},
        ("edited", PASSED, PASSED),
    ),
    (
        "dangling-text",
        "a caption that is a link to nowhere",
        {"a.jpg": JPEG, "a.txt": "gone.txt"},
        ("no_caption", PASSED),
    ),
    (
        "names",
        "names with spaces, quotes, emoji, NBSP and of 250 bytes",
        {
            f"{stem}{ending}": data
            for stem in ("a b", "a'\"b", "🍵", "a\u00a0b", "x" * 246)
            for ending, data in ((".jpg", JPEG), (".txt", CAPTION))
        },
        ("edited",) * 5,
    ),
    (
        "latin1",
        "names of files and folders that are not UTF-8",
        {"caf\udce9/caf\udce9.jpg": JPEG, "caf\udce9/caf\udce9.txt": CAPTION, "\udcff.doc": b""},
        ("edited", PASSED),
    ),
    (
        "pointer",
        "a Git LFS pointer in place of a picture",
        {"a.jpg": POINTER, "a.txt": CAPTION},
        ("lfs_pointer",),
    ),
    (
        "empty-files",
        "an empty picture, an empty caption, an empty table below",
        {"a.jpg": b"", "a.txt": CAPTION, "b.jpg": JPEG, "b.txt": b"", "x/metadata.csv": b""},
        ("empty_file", "no_caption", PASSED),
    ),
    (
        "stems",
        "one .txt for a.jpg and a.png",
        {"a.jpg": JPEG, "a.png": JPEG, "a.txt": CAPTION},
        ("edited", "edited"),
    ),
]


# --- tars


def sample(key: str) -> list[tuple[str, bytes]]:
    return [(f"{key}.jpg", JPEG), (f"{key}.txt", CAPTION)]


def tars(*files: tuple[str, bytes]) -> Callable[[], bytes]:
    return lambda: tar(files)


TARS: list[tuple[str, str, str, Callable[[], bytes], tuple[str, ...]]] = [
    (
        "apart",
        "all pictures first, then all captions",
        ".tar",
        tars(("a.jpg", JPEG), ("b.jpg", JPEG), ("a.txt", CAPTION), ("b.txt", CAPTION)),
        ("not_adjacent",) * 4,
    ),
    (
        "apart-text",
        "all captions first, then all pictures",
        ".tar",
        tars(("a.txt", CAPTION), ("b.txt", CAPTION), ("a.jpg", JPEG), ("b.jpg", JPEG)),
        ("not_adjacent",) * 4,
    ),
    (
        "apart-gz",
        "pictures and captions apart in a gzipped tar, but for one sample",
        ".TAR.GZ",
        lambda: gzip.compress(
            tar([*sample("a"), ("b.jpg", JPEG), ("c.jpg", JPEG), ("b.txt", CAPTION)])
        ),
        ("edited", "not_adjacent", "no_caption", "not_adjacent"),
    ),
    (
        "apart-json",
        "a .json far from its sample",
        ".tar",
        tars(*sample("a"), *sample("b"), ("a.json", b"{}")),
        ("edited", "edited", "not_adjacent"),
    ),
    (
        "no-captions",
        "pictures without captions",
        ".tar",
        tars(("a.jpg", JPEG), ("b.jpg", JPEG)),
        ("no_caption", "no_caption"),
    ),
    (
        "dot-slash",
        "names with a leading ./, as tar -c . makes them",
        ".tar",
        tars(*sample("./a"), *sample("././b")),
        ("edited", "edited"),
    ),
    (
        "backslash",
        "names with backslashes and a dotted folder",
        ".tar",
        tars(*sample("v1.0\\a"), *sample("v1.0\\b")),
        ("edited", "edited"),
    ),
    (
        "forms",
        "a picture and its caption in two Unicode forms",
        ".tar",
        tars((f"{NFD}.jpg", JPEG), (f"{NFC}.txt", CAPTION)),
        ("edited",),
    ),
    (
        "systems",
        "what macOS and Windows leave, README and a checksum list",
        ".tar",
        tars(
            ("._a.jpg", b"\0\5\26\7"),
            *sample("a"),
            ("__MACOSX/a.jpg", JPEG),
            (".DS_Store", b""),
            ("README", b""),
            ("SHA256SUMS", b""),
        ),
        ("edited", *(PASSED,) * 5),
    ),
    (
        "jfif",
        "a .jfif, a .JPE and a .bmp in a tar",
        ".tar",
        tars(
            *(("a.jfif", JPEG), ("a.txt", CAPTION), ("b.JPE", JPEG), ("b.txt", CAPTION)),
            *(("c.bmp", JPEG), ("c.txt", CAPTION)),
        ),
        ("edited",) * 3,
    ),
    (
        "jpg-large",
        "a .jpg_large and a .heic",
        ".tar",
        tars(("a.jpg_large", JPEG), ("a.txt", CAPTION), ("b.heic", JPEG), ("b.txt", CAPTION)),
        ("no_image", "no_image"),
    ),
    (
        "pointer",
        "a Git LFS pointer in place of a tar",
        ".tar",
        lambda: POINTER,
        ("unreadable_shard",),
    ),
    (
        "pointer-inside",
        "a Git LFS pointer in place of a picture in a tar",
        ".tar",
        tars(("a.jpg", POINTER), ("a.txt", CAPTION)),
        ("lfs_pointer",),
    ),
    ("upper", "a tar named .TGZ", ".TGZ", lambda: gzip.compress(tar(sample("a"))), ("edited",)),
    (
        "crlf",
        "captions with CRLF and a byte order mark in a tar",
        ".tar",
        tars(("a.jpg", JPEG), ("a.txt", b"\xef\xbb\xbf" + CAPTION + b"\r\n")),
        ("edited",),
    ),
]

PASSED_SHARDS: list[tuple[str, str, str, Files, tuple[str, ...]]] = [
    (
        "webdataset",
        "beside",
        "img2dataset's tables and zips beside tars",
        {"0.tar": tar(sample("a")), "0.parquet": b"x", "0_stats.json": b"{}", "1.tar.zst": b"x"},
        ("edited", *(PASSED,) * 3),
    ),
    (
        "webdataset",
        "linked",
        "a folder of tars that is a link, and a link to nowhere",
        {"real/0.tar": tar(sample("a")), "link": "real", "gone.tar": "nowhere.tar"},
        ("edited", PASSED, PASSED),
    ),
    (
        "webdataset",
        "latin1",
        "a shard whose name is not UTF-8",
        {"caf\udce9.tar": tar(sample("a"))},
        ("edited",),
    ),
    (
        "parquet",
        "spark",
        "what Spark and Delta leave beside parts",
        {
            "_delta_log/00000.checkpoint.parquet": b"x",
            "_delta_log/00000.json": b"{}",
            "_SUCCESS": b"",
            "_metadata": b"x",
            "_common_metadata": b"x",
            "_temporary/0/part-0.parquet": b"x",
            ".part-0.parquet.crc": b"x",
            "part-0.snappy.parquet": parquet(image=[JPEG], caption=[TEXT]),
        },
        ("edited", *(PASSED,) * 7),
    ),
    (
        "parquet",
        "hive",
        "Hive's partitions, one of them begins with _",
        {
            "label=cat/0.parquet": parquet(image=[JPEG], caption=[TEXT]),
            "_k=a%20b/0.parquet": parquet(image=[JPEG], caption=[TEXT]),
        },
        ("edited", "edited"),
    ),
    (
        "parquet",
        "endings",
        "files named .pq, .PARQUET and without ending",
        {name: parquet(image=[JPEG], caption=[TEXT]) for name in ("a.pq", "b.PARQUET", "part-0")},
        ("edited", "edited", PASSED),
    ),
]


# --- Parquet


def column(**columns: Any) -> Callable[[], bytes]:
    """A good row with more columns of one value each."""
    return lambda: parquet(image=[JPEG], caption=[TEXT], **columns)


def cast(value: int, kind: pa.DataType) -> pa.Array:
    raw = pa.int32() if pa.types.is_date32(kind) else pa.int64()
    return pa.array([value], raw).view(kind)


def no_utf8(data: bytes = b"caf\xe9") -> pa.Array:
    offsets = np.array([0, len(data)], np.int32).tobytes()
    return pa.Array.from_buffers(pa.string(), 1, [None, pa.py_buffer(offsets), pa.py_buffer(data)])


def columns(names: Sequence[str], *values: Any) -> Callable[[], bytes]:
    """A file of columns whose names may be the same."""

    def made() -> bytes:
        out = io.BytesIO()
        arrays = [value if isinstance(value, pa.Array) else pa.array(value) for value in values]
        pq.write_table(pa.Table.from_arrays(arrays, names=list(names)), out)
        return out.getvalue()

    return made


def captions(kind: Any, *values: Any) -> Callable[[], bytes]:
    return lambda: parquet(image=[JPEG] * len(values), caption=pa.array(values, kind))


def picture_cells(cell: Any, kind: Any = None) -> Callable[[], bytes]:
    return lambda: parquet(image=pa.array([cell], kind), caption=[TEXT])


def groups_without_rows() -> bytes:
    out = io.BytesIO()
    whole = pa.table({"image": [JPEG], "caption": [TEXT]})
    with pq.ParquetWriter(out, whole.schema) as writer:
        for part in (whole.slice(0, 0), whole, whole.slice(0, 0), whole):
            writer.write_table(part)
    return out.getvalue()


def unneeded_page() -> bytes:
    """The second column's page is garbage."""
    data = parquet(image=[JPEG], caption=[TEXT], notes=["needless " * 9])
    at = data.index(b"needless needless")
    return data[: at - 16] + b"\xff" * 16 + data[at:]


def rgb() -> Image.Image:
    return Image.new("RGB", (48, 32), "red")


PARQUETS: list[tuple[str, str, Callable[[], bytes], tuple[str, ...]]] = [
    ("date-early", "a date before year 1", column(early=cast(-800_000, pa.date32())), ("edited",)),
    ("date-late", "a date beyond 9999", column(d=cast(10_000_000, pa.date32())), ("edited",)),
    (
        "time-late",
        "a timestamp beyond 9999",
        column(late=cast(10**15, pa.timestamp("ms"))),
        ("edited",),
    ),
    (
        "time-ns",
        "a timestamp of nanoseconds",
        column(ns=cast(1_700_000_000_123_456_789, pa.timestamp("ns"))),
        ("edited",),
    ),
    (
        "time-zone",
        "a time zone that nobody knows",
        column(zone=cast(1_700_000_000, pa.timestamp("us", tz="Mars/Olympus"))),
        ("edited",),
    ),
    (
        "duration",
        "a duration of 10¹¹ years",
        column(long=cast(2**62, pa.duration("ms"))),
        ("edited",),
    ),
    ("decimal", "a decimal of 70 digits", column(digits=[Decimal("1" * 70)]), ("edited",)),
    (
        "uint64",
        "the largest unsigned integer",
        column(large=pa.array([2**64 - 1], pa.uint64())),
        ("edited",),
    ),
    ("float16", "half floats", column(half=pa.array([np.float16(1.5)])), ("edited",)),
    (
        "map",
        "a map, a struct of null, a list of lists",
        column(
            m=pa.array([[("a", 1)]], pa.map_(pa.string(), pa.int32())),
            none=pa.array([{"a": None}]),
            x=[[[1], None]],
        ),
        ("edited",),
    ),
    (
        "struct-date",
        "a struct with a date before year 1",
        column(s=pa.StructArray.from_arrays([cast(-800_000, pa.date32())], ["d"])),
        ("edited",),
    ),
    ("no-utf8", "another column that is not UTF-8", column(latin=no_utf8()), ("edited",)),
    (
        "no-utf8-caption",
        "a caption that is not UTF-8",
        columns(["image", "caption"], [JPEG], no_utf8()),
        ("not_utf8",),
    ),
    (
        "uuid",
        "a UUID and a tensor",
        column(
            u=pa.ExtensionArray.from_storage(
                pa.uuid(), pa.array([uuid.UUID(int=7).bytes], pa.binary(16))
            ),
            tensor=pa.FixedShapeTensorArray.from_numpy_ndarray(np.ones((1, 2, 2))),
        ),
        ("edited",),
    ),
    ("nested-binary", "lists of binary values", column(b=[[b"\xff"]]), ("edited",)),
    (
        "two-images",
        "two columns named image",
        columns(["image", "image", "caption"], [JPEG], [JPEG], [TEXT]),
        ("ambiguous_column",),
    ),
    (
        "two-captions",
        "two columns named caption",
        columns(["image", "caption", "caption"], [JPEG], [TEXT], ["x"]),
        ("ambiguous_column",),
    ),
    (
        "two-others",
        "two other columns of one name",
        columns(["image", "caption", "x", "x"], [JPEG], [TEXT], [1], ["a"]),
        ("edited",),
    ),
    (
        "caption-bytes",
        "captions in a binary column",
        captions(pa.binary(), CAPTION, b"\xe9"),
        ("edited", "not_utf8"),
    ),
    (
        "caption-integers",
        "captions that are integers",
        captions(pa.int64(), 1, None),
        ("no_colour", "no_caption"),
    ),
    (
        "caption-nan",
        "captions that are NaN",
        captions(pa.float64(), float("nan"), 1.5),
        ("no_caption", "no_colour"),
    ),
    ("caption-bool", "captions that are booleans", captions(pa.bool_(), True), ("wrong_type",)),
    (
        "caption-lists",
        "five captions a picture, as COCO has them; none; null",
        captions(pa.list_(pa.string()), [TEXT] * 5, [], None),
        (*("edited",) * 5, "no_caption", "no_caption"),
    ),
    (
        "caption-many",
        "101 captions of one picture",
        captions(pa.list_(pa.string()), [TEXT] * 101),
        ("too_many_captions",),
    ),
    (
        "caption-structs",
        "captions as a struct",
        captions(None, {"raw": TEXT}),
        ("wrong_type",),
    ),
    (
        "caption-large",
        "captions as large_string",
        captions(pa.large_string(), TEXT),
        ("edited",),
    ),
    (
        "caption-dictionary",
        "captions as dictionary",
        lambda: parquet(image=[JPEG], caption=pa.array([TEXT]).dictionary_encode()),
        ("edited",),
    ),
    (
        "path-only",
        "pictures as a struct of a path alone",
        picture_cells({"path": "a.jpg"}),
        ("wrong_type",),
    ),
    (
        "list",
        "a list of pictures in a row",
        picture_cells([{"bytes": JPEG, "path": "a"}]),
        ("wrong_type",),
    ),
    ("list-binary", "a list of bytes in a row", picture_cells([JPEG]), ("wrong_type",)),
    ("empty-bytes", "a picture of no bytes", picture_cells(b""), ("empty_file",)),
    (
        "fixed",
        "a picture as fixed-size binary",
        picture_cells(JPEG, pa.binary(len(JPEG))),
        ("edited",),
    ),
    (
        "pixels",
        "pixels in place of an encoded picture",
        picture_cells(rgb().tobytes()),
        ("not_an_image",),
    ),
    (
        "dates-needed",
        "a caption column of dates",
        captions(None, date(2026, 1, 1)),
        ("wrong_type",),
    ),
    ("groups", "row groups without rows", groups_without_rows, ("edited", "edited")),
    ("page-unneeded", "a corrupt page in a column that is not needed", unneeded_page, ("edited",)),
    ("pointer", "a Git LFS pointer in place of Parquet", lambda: POINTER, ("unreadable_shard",)),
    (
        "names",
        "columns with odd names",
        column(**{"": [1], "a.b": [2], "image.bytes": ["x"], "caf\u00e9 \n": [3]}),
        ("edited",),
    ),
]
