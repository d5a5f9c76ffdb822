"""WebDataset shards: what a sample is, and what becomes of a damaged or hostile tar."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.sources._shard import Member
from pipeline.sources.webdataset import Config, build
from tests.sources.conftest import Place
from tests.sources.make import photo, samples, tar


def read(place: Place, data: bytes, name: str = "a.tar", **settings: Any) -> list[Member]:
    place.put(name, data)
    source = build(Config(**place.settings, **settings))
    (shard,) = source.listing().shards
    members = list(source.members(shard))
    assert [m.ordinal for m in members] == list(range(len(members)))
    return members


def kinds(members: list[Member]) -> list[str | None]:
    return [m.error.kind if m.error else None for m in members]


@pytest.mark.parametrize("name", ["a.tar", "a.tar.gz", "a.tgz"])
def test_reads_images_and_captions(place: Place, name: str) -> None:
    members = read(place, tar(samples(3), gz=name != "a.tar"), name)
    assert [(m.key, m.image, m.caption) for m in members] == [
        (f"{i:05d}", photo(i), f"a red mug {i}") for i in range(3)
    ]
    assert kinds(members) == [None] * 3


def test_reads_img2dataset_as_it_is(local: Place) -> None:
    meta = {"url": "http://a/b.jpg", "width": 24, "exif": "{}", "score": float("nan")}
    files = [
        ("000010005.json", json.dumps(meta).encode()),
        ("000010005.jpg", photo()),
        ("000010005.txt", "a café ".encode()),
    ]
    local.put("00001.parquet", b"img2dataset's table, not a shard")
    local.put("00001_stats.json", b"{}")
    (member,) = read(local, tar(files), "00001.tar")
    assert (member.key, member.caption) == ("000010005", "a café")
    assert member.columns == {**meta, "score": None, "txt": "a café"}


def test_caption_from_json(local: Place) -> None:
    files = [("a.jpg", photo()), ("a.json", b'{"prompt": "a red mug"}')]
    (member,) = read(local, tar(files), caption="json:prompt")
    assert member.caption == "a red mug"


def test_first_extension_of_the_config_wins(local: Place) -> None:
    files = [("a.png", photo(1)), ("a.jpg", photo(2)), ("a.edited.png", photo(3))]
    assert read(local, tar(files))[0].image == photo(2)
    assert read(local, tar(files), image="edited.png")[0].image == photo(3)


def test_key_holds_folders_and_ignores_what_is_no_sample(local: Place) -> None:
    files = [("./x/a.jpg", photo()), ("./x/._a.jpg", b"fork"), ("./README", b""), ("b.jpg", b"1")]
    folder = tarfile.TarInfo("./x.y")
    folder.type = tarfile.DIRTYPE
    assert [m.key for m in read(local, tar([(folder, b""), *files]))] == ["x/a", "b"]


def test_dotted_names_are_told_not_merged(local: Place) -> None:
    files = [("img.v1.jpg", photo(1)), ("img.v2.jpg", photo(2)), ("z.jpg", photo())]
    members = read(local, tar(files))
    assert kinds(members) == ["repeated_key", None]
    assert members[0].error and "img.v1.jpg, img.v2.jpg" in members[0].error.message


def test_a_returning_file_name_starts_another_sample(local: Place) -> None:
    members = read(local, tar([("a.jpg", photo(1)), ("a.jpg", photo(2))]))
    assert [m.image for m in members] == [photo(1), photo(2)]


def test_large_files_are_passed_over_unread(local: Place) -> None:
    files = [("a.jpg", b"x" * 5000), ("a.txt", b"t"), ("b.jpg", photo()), ("b.txt", b"t")]
    members = read(local, tar(files), max_bytes=4000)
    assert kinds(members) == ["too_large", None]
    assert members[0].image is None and members[0].caption == "t"


@pytest.mark.parametrize(
    ("name", "data", "kind"),
    [
        ("a.txt", b"caf\xe9", "not_utf8"),
        ("a.txt", b"x" * (1 << 20) + b"x", "too_large"),
        ("a.json", b"{", "bad_json"),
        ("a.json", b"[1]", "bad_json"),
        ("a.json", b"[" * 100_000, "bad_json"),
        ("a.json", b'{"n": ' + b"9" * 5000 + b"}", "bad_json"),
    ],
)
def test_bad_text_fails_its_row_alone(local: Place, name: str, data: bytes, kind: str) -> None:
    files = [("a.jpg", photo()), (name, data), ("b.jpg", photo())]
    members = read(local, tar(files))
    assert kinds(members) == [kind, None]
    assert members[0].image == photo()


def test_text_is_cleaned(local: Place) -> None:
    files = [("a.jpg", photo()), ("a.txt", b"\xef\xbb\xbfred\x00\x1b[31m mug\n"), ("a.cls", b"7")]
    files += [("a.json", b'{"s": "\\ud800x", "deep": [{"k\\u0000": 1e999}]}')]
    (member,) = read(local, tar(files))
    assert member.caption == "red  [31m mug"
    assert member.columns["s"] == " x" and member.columns["deep"] == [{"k ": None}]
    assert member.columns["cls"] == "7"


def special(name: str, kind: bytes, target: str = "") -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info, b""


@pytest.mark.parametrize(
    "entry",
    [
        special("a.jpg", tarfile.SYMTYPE, "/etc/passwd"),
        special("a.jpg", tarfile.LNKTYPE, "b.jpg"),
        special("a.jpg", tarfile.CHRTYPE),
        special("a.jpg", tarfile.FIFOTYPE),
        ("../a.jpg", photo()),
        ("/a.jpg", photo()),
        ("x/../../a.jpg", photo()),
    ],
)
def test_unsafe_members_are_told_and_not_read(local: Place, entry: Any) -> None:
    members = read(local, tar([entry, ("b.jpg", photo())]))
    assert kinds(members) == ["unsafe_member", None]
    assert members[0].image is None


def test_sparse_entries_are_read_as_they_expand(local: Place) -> None:
    info = tarfile.TarInfo("a.jpg")
    info.size = 0
    info.pax_headers = {"GNU.sparse.map": "0,0", "GNU.sparse.size": "3000", "GNU.sparse.major": "0"}
    members = read(local, tar([(info, b""), ("b.jpg", photo())]), max_bytes=4000)
    assert members[0].image == b"\0" * 3000
    members = read(local, tar([(info, b""), ("b.jpg", photo())]), max_bytes=2000)
    assert kinds(members) == ["too_large", None]


def test_odd_names_become_printable_keys(local: Place) -> None:
    names = ["caf\udce9.jpg", "a\nb\x1b[0m.jpg", "長い" * 200 + ".jpg", "<script>.jpg"]
    members = read(local, tar([(name, photo()) for name in names]))
    assert kinds(members) == [None] * 4
    assert [m.key for m in members][:2] == ["caf\\xe9", "a\\nb\\x1b[0m"]
    assert len(members[2].key) == 200 and members[3].key == "<script>"


GOOD = tar(samples(4))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(cut=st.integers(1, len(GOOD.rstrip(b"\0"))))
def test_a_truncated_tar_gives_its_good_rows_and_one_dead_letter(local: Place, cut: int) -> None:
    whole = [(m.key, m.image) for m in read(local, GOOD)]
    members = read(local, GOOD[:cut])
    *good, last = members
    assert kinds(members)[-1] == ("truncated_shard" if good else "unreadable_shard")
    assert [(m.key, m.image) for m in good if m.error is None] == whole[: len(good)]
    assert last.image is None


def test_a_truncated_gzip_and_a_flipped_bit_in_it(local: Place) -> None:
    data = gzip.compress(GOOD)
    assert kinds(read(local, data[: len(data) * 3 // 4], "a.tar.gz"))[-1] == "truncated_shard"
    broken = bytearray(data)
    broken[-6] ^= 1  # the checksum
    assert kinds(read(local, bytes(broken), "a.tar.gz")) == [None] * 4 + ["truncated_shard"]


def test_gzip_in_several_members(local: Place) -> None:
    data = gzip.compress(GOOD[:3000]) + gzip.compress(GOOD[3000:])
    assert kinds(read(local, data, "a.tar.gz")) == [None] * 4


def test_damage_in_the_middle_is_not_the_end(local: Place) -> None:
    third = GOOD.index(b"00002.jpg")
    for hole, good in ((b"\0" * 512, 2), (b"garbage!" * 64, 1)):
        members = read(local, GOOD[:third] + hole + GOOD[third + 512 :])
        assert kinds(members) == [None] * good + ["truncated_shard"]


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"", "empty_shard"),
        (tar([]), "empty_shard"),
        (tar([("README", b"no sample")]), "empty_shard"),
        (b"not a tar" * 1000, "unreadable_shard"),
        (b"\x1f\x8b" + b"not gzip" * 1000, "unreadable_shard"),
        (photo(), "unreadable_shard"),
    ],
)
def test_a_shard_without_samples_is_one_dead_letter(local: Place, data: bytes, kind: str) -> None:
    assert kinds(read(local, data)) == [kind]


def test_a_header_that_claims_gigabytes_is_refused(local: Place) -> None:
    info = tarfile.TarInfo("pax")
    info.type, info.size = tarfile.XHDTYPE, 1 << 34
    header = info.tobuf(tarfile.GNU_FORMAT)
    (member,) = read(local, header + bytes(10240))
    assert member.error and member.error.kind == "unreadable_shard"
    assert "17,179,869,184" in member.error.message


def test_a_tar_that_python_opens_is_read_the_same(local: Place) -> None:
    with tarfile.open(fileobj=io.BytesIO(GOOD)) as archive:
        images = [
            archive.extractfile(name).read()  # type: ignore[union-attr]
            for name in archive.getnames()
            if name.endswith(".jpg")
        ]
    assert [m.image for m in read(local, GOOD)] == images


def test_each_caption_of_a_json_is_a_row(local: Place) -> None:
    files = [("a.jpg", photo()), ("a.json", b'{"captions": ["a red mug", "", "a cup"]}')]
    members = read(local, tar([*files, *samples(1)]), caption="json:captions")
    assert [(m.key, m.caption) for m in members][:2] == [("a", "a red mug"), ("a#2", "a cup")]
    assert members[0].image == members[1].image == photo()


def test_files_that_are_apart_are_told(local: Place) -> None:
    files = [(name, data) for n in range(4) for name, data in samples(4)[2 * n : 2 * n + 1]]
    texts = [(name, data) for n in range(4) for name, data in samples(4)[2 * n + 1 : 2 * n + 2]]
    members = read(local, tar([*files, *texts]))
    assert kinds(members) == ["not_adjacent"] * 8
    assert members[0].error and members[0].error.message == (
        "the files of '00000' are not next to each other in the tar; make it with tar --sort=name"
    )


def test_what_is_in_no_sample_is_passed_over_once(local: Place) -> None:
    outside = [("README", b""), ("._b.jpg", b""), ("x/.DS_Store", b""), ("__MACOSX/b.jpg", b"")]
    first, *both = samples(2)[:2], samples(2)[2:]
    files = [outside[0], *first, *outside[1:3], *both[0], outside[3]]
    members = read(local, tar(files))
    assert kinds(members) == [None, None]
    assert [m.passed.files for m in members if m.passed] == [3, 1]


def test_the_share_that_was_read(local: Place) -> None:
    for name in ("a.tar", "a.tar.gz"):
        members = read(local, tar(samples(4000), gz=name != "a.tar"), name)
        for index in (400, 2000, 3999):
            assert members[index].share == pytest.approx((index + 1) / 4000, rel=0.1)
        Path(local.path, name).unlink()
