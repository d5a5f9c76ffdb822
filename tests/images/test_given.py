"""Masks that come with the input: read, checked, and kept to the pixel."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from pipeline.errors import RowError
from pipeline.images.decode import decode
from pipeline.images.encode import encode_edited
from pipeline.images.given import Given, read
from pipeline.images.original import Original
from pipeline.images.picture import Picture

SIZE = (80, 64)


def encoded(plane: Any, form: str = "PNG", **how: Any) -> bytes:
    sink = io.BytesIO()
    Image.fromarray(plane).save(sink, form, **how)
    return sink.getvalue()


def region(size: tuple[int, int] = SIZE) -> Any:
    plane = np.zeros(size[::-1], np.uint8)
    plane[size[1] // 4 : size[1] // 2, size[0] // 4 : size[0] // 2] = 255
    return plane


def asked(mask: bytes | None, protect: bytes | None = None) -> Given:
    return read(mask, protect, SIZE, 10**6, True)


def test_brightness_opacity_and_classes_say_the_same() -> None:
    wanted = region() > 127
    clear = np.dstack([np.full((*SIZE[::-1], 3), 9, np.uint8), region()])
    ones = (region() // 255).astype(np.uint8)
    for plane in (region(), np.dstack([region()] * 3), clear, ones):
        assert np.array_equal(asked(encoded(plane)).mask, wanted)
    bits = io.BytesIO()
    Image.fromarray(region()).convert("1").save(bits, "PNG")
    assert np.array_equal(asked(bits.getvalue()).mask, wanted)


@pytest.mark.parametrize("size", [(40, 32), (160, 128), (81, 64), (20, 16)])
def test_another_size_of_the_same_shape_is_resized(size: tuple[int, int]) -> None:
    found = asked(encoded(region(size))).mask
    assert found is not None and found.shape == SIZE[::-1]
    assert (found != (region() > 127)).mean() < 0.04


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (encoded(region((64, 64))), "64×64 pixels for a picture of 80×64"),
        (b"no picture", "not_an_image"),
        (b"", "empty_file"),
        (encoded(region())[:60], "undecodable"),
        (encoded(np.zeros((2000, 2500), np.uint8)), "too_large"),
    ],
)
@pytest.mark.parametrize("name", ["mask", "protect"])
def test_what_cannot_serve_is_told(data: bytes, words: str, name: str) -> None:
    with pytest.raises(RowError, match=words) as told:
        asked(**{"mask": None, name: data})
    assert told.value.kind == "bad_mask" and f"input.{name}" in told.value.message


def noise(seed: int) -> Any:
    return np.random.default_rng(seed).integers(0, 256, (*SIZE[::-1], 3), np.uint8)


@settings(deadline=None, max_examples=80)
@given(
    st.sampled_from(["PNG", "JPEG-0", "JPEG-1", "JPEG-2", "WEBP", "JPEG-turned", "JPEG-grey"]),
    st.sampled_from(["source", "png", "webp", "jpeg"]),
    st.booleans(),
    st.integers(0, 2**32 - 1),
)
def test_a_protected_pixel_is_the_source_s_in_the_decoded_file(
    form: str, wanted: Any, everywhere: bool, seed: int
) -> None:
    """Or there is a RowError that says so; and where the mask is 0 nothing differs either."""
    rng = np.random.default_rng(seed)
    how: dict[str, Any] = {"lossless": True} if form == "WEBP" else {}
    if form.startswith("JPEG"):
        sampling = form[-1] if form[-1].isdigit() else 2
        how = {"quality": 90, "subsampling": int(sampling)}
    if form == "JPEG-turned":
        how["exif"] = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x03\0\0\0\0\0\0"
    grey = noise(seed)[..., 0] if form == "JPEG-grey" else noise(seed)
    data = encoded(grey, form.partition("-")[0], **how)
    photo, original = decode(data, 10**6), Original(data)
    height, width = photo.rgb.shape[:2]
    protected, mask = np.zeros((2, height, width), np.uint8)
    for plane in (protected, mask):
        top, left = rng.integers(0, height - 8), rng.integers(0, width - 8)
        plane[top : top + rng.integers(1, 40), left : left + rng.integers(1, 40)] = 255
    edited = Picture(np.where((mask > 0)[..., None] | everywhere, 255 - photo.rgb, photo.rgb))
    limits = Given(protected=protected > 0)
    picture, free = limits.limited(photo, edited, mask, original, wanted)
    try:
        file = encode_edited(picture, free, original, wanted, everywhere, exact=True)
    except RowError as error:
        assert error.kind == "cannot_protect" and wanted == "jpeg"
        return
    shown = decode(file.data, 10**6).rgb
    assert np.array_equal(shown[protected > 0], photo.rgb[protected > 0])
    if not everywhere:
        assert np.array_equal(shown[file.mask == 0], photo.rgb[file.mask == 0])
    assert not (file.mask[protected > 0]).any() or everywhere


def test_a_mask_that_limits_leaves_nothing_outside() -> None:
    photo = Picture(noise(1))
    limits = Given(mask=region() > 127, instead=False)
    everywhere = np.full(SIZE[::-1], 255, np.uint8)
    original = Original(encoded(photo.rgb))
    edited, mask = limits.limited(photo, Picture(255 - photo.rgb), everywhere, original, "png")
    assert np.array_equal(mask, region())
    assert np.array_equal(edited.rgb[mask == 0], photo.rgb[mask == 0])
    assert np.array_equal(edited.rgb[mask > 0], 255 - photo.rgb[mask > 0])
