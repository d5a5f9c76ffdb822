"""Files as a shop wants them: canvas, ground, bytes and the marker of synthetic media."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from pipeline.errors import RowError, UsageError
from pipeline.export.picture import Look, made
from pipeline.images.encode import SOURCE_TYPE, XMP


def look(format: str = "JPEG", **more: object) -> Look:
    asked = {"size": None, "canvas": None, "background": None, "max_kb": None, "enlarge": False}
    return Look.parse(format, **{**asked, **more})  # type: ignore[arg-type]


def photo(width: int = 60, height: int = 40, alpha: np.ndarray | None = None) -> bytes:
    rgb = np.random.default_rng(0).integers(0, 256, (height, width, 3)).astype(np.uint8)
    picture = Image.fromarray(rgb)
    if alpha is not None:
        picture.putalpha(Image.fromarray(alpha))
    return encoded(picture)


def encoded(picture: Image.Image, format: str = "PNG", **options: object) -> bytes:
    out = io.BytesIO()
    picture.save(out, format, **options)
    return out.getvalue()


def opened(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
def test_the_marker_is_kept(format: str) -> None:
    data, _ = made(photo(), look(format, canvas="100x80"))
    assert SOURCE_TYPE.encode() in data
    assert opened(data).format == format and opened(data).size == (100, 80)


def test_a_smaller_picture_stands_in_the_middle_unless_enlarged() -> None:
    data, small = made(photo(), look("PNG", canvas="100x100"))
    picture = np.asarray(opened(data))
    assert small and (picture[:30] == 255).all() and (picture[:, :20] == 255).all()
    assert np.array_equal(picture[30:70, 20:80], np.asarray(opened(photo())))
    data, small = made(photo(), look("PNG", canvas="120x120", enlarge=True))
    picture = np.asarray(opened(data))
    assert not small and (picture[:20] == 255).all() and not (picture[21:99] == 255).all()


def test_a_larger_picture_fits() -> None:
    data, small = made(photo(600, 300), look(canvas="200x200"))
    assert not small and opened(data).size == (200, 200)
    assert opened(data).getpixel((100, 20)) == (255, 255, 255)
    assert opened(made(photo(600, 300), look(size=200))[0]).size == (200, 100)
    assert opened(made(photo(60, 30), look(size=200))[0]).size == (60, 30)


def test_cut_outs_stand_on_the_ground() -> None:
    alpha = np.zeros((40, 60), np.uint8)
    alpha[10:30, 20:40] = 255
    data, _ = made(photo(alpha=alpha), look("PNG", canvas="80x80", background="#00ff00"))
    assert opened(data).mode == "RGB"
    assert opened(data).getpixel((11, 21)) == (0, 255, 0)
    assert opened(made(photo(alpha=alpha), look("JPEG"))[0]).getpixel((0, 0)) == (255, 255, 255)
    assert opened(made(photo(alpha=alpha), look("PNG"))[0]).mode == "RGBA"
    assert opened(made(photo(alpha=alpha), look("PNG", size=30))[0]).getpixel((0, 0))[3] == 0


def test_what_is_right_as_it_is_is_copied() -> None:
    jpeg = encoded(opened(photo(300, 200)), "JPEG", quality=80, xmp=XMP.encode())
    assert made(jpeg, look())[0] == jpeg
    assert made(jpeg, look(size=300, max_kb=-(-len(jpeg) // 1000)))[0] == jpeg
    for other in (look(size=299), look(size=400, enlarge=True), look(canvas="300x200"),
                  look(max_kb=len(jpeg) // 1000), look("PNG")):  # fmt: skip
        assert made(jpeg, other)[0] != jpeg
    assert SOURCE_TYPE.encode() in made(encoded(opened(jpeg), "JPEG"), look())[0]
    turned = Image.Exif()
    turned[0x0112] = 6
    lying = encoded(opened(jpeg), "JPEG", exif=turned, xmp=XMP.encode())
    assert opened(made(lying, look())[0]).size == (200, 300)
    clear, _ = made(photo(alpha=np.full((40, 60), 9, np.uint8)), look("PNG"))
    assert made(clear, look("PNG"))[0] == clear
    assert made(clear, look("PNG", background="white"))[0] != clear


@pytest.mark.parametrize("format", ["JPEG", "WEBP"])
def test_quality_is_as_good_as_the_bytes_allow(format: str) -> None:
    free, _ = made(photo(300, 300), look(format))
    most = len(free) * 6 // 10 // 1000
    data, _ = made(photo(300, 300), look(format, max_kb=most))
    assert 0.9 * most * 1000 < len(data) <= most * 1000


@pytest.mark.parametrize(("format", "said"), [("JPEG", "at quality 40"), ("PNG", "no quality")])
def test_too_many_bytes_are_told(format: str, said: str) -> None:
    with pytest.raises(RowError, match=f"too_many_kb: .*{said}.*allowed: 5"):
        made(photo(300, 300), look(format, max_kb=5))


def test_junk_is_a_row_error() -> None:
    with pytest.raises(RowError):
        made(b"junk", look())


@pytest.mark.parametrize(
    "more",
    [{"canvas": "1000"}, {"canvas": "0x5"}, {"canvas": "9x99999"}, {"canvas": "-5x50"},
     {"background": "whiteish"}, {"canvas": "9x9", "size": 5}],
)  # fmt: skip
def test_bad_looks_are_refused(more: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        look(**more)
