"""A JPEG with some of its blocks coded anew and all the others copied. Knows no mask's meaning.

What is copied are the quantised DCT coefficients (ITU-T T.81, annex A): those blocks decode to the
very pixels of the source, in any decoder.
"""

from __future__ import annotations

import copy
import io
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline.images import jpeg
from pipeline.images.picture import Pixels, Plane, largest

REACH = 2
"""Pixels beyond a block that its chroma has a say in, where chroma is coarser than luminance."""

Factors = tuple[tuple[int, int], tuple[int, int], tuple[int, int]]
"""Of sampling, (down, across), of Y, Cb and Cr."""
_SUBSAMPLING: dict[Factors, int] = {
    ((1, 1), (1, 1), (1, 1)): 0,
    ((1, 2), (1, 1), (1, 1)): 1,
    ((2, 2), (1, 1), (1, 1)): 2,
}
"""Those that Pillow can encode: 4:4:4, 4:2:2 and 4:2:0."""
_FRAMES = {0xC0, 0xC1, 0xC2}
"""Baseline, extended and progressive, all with Huffman codes."""
_OTHER_FRAMES = {0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF}

Units = NDArray[np.bool_]
"""(rows, columns) of the smallest parts that can be coded anew (MCUs)."""


class CannotCopy(Exception):
    """Why the blocks of a JPEG cannot be copied."""


@dataclass(frozen=True)
class Blocks:
    """The quantised coefficients of a JPEG of three components, as jpeglib holds them."""

    dct: Any
    factors: Factors

    @classmethod
    def of(cls, data: bytes) -> Blocks:
        """Raises CannotCopy for other than Huffman-coded YCbCr, 4:4:4, 4:2:2 or 4:2:0."""
        if any(marker in _OTHER_FRAMES for marker, _, _ in jpeg.segments(data)):
            raise CannotCopy("it is not coded as baseline or progressive with Huffman codes")
        dct = _read(jpeg.dressed(data, ()))
        if dct.jpeg_color_space.name != "JCS_YCbCr":
            raise CannotCopy(f"its colours are {dct.jpeg_color_space.name.removeprefix('JCS_')}")
        factors: Any = tuple((int(down), int(across)) for down, across in dct.samp_factor)
        if factors not in _SUBSAMPLING:
            raise CannotCopy(f"its sampling factors are {factors}")
        return cls(dct, factors)

    @property
    def unit(self) -> tuple[int, int]:
        """Pixels (down, across) of a unit."""
        down, across = self.factors[0]
        return 8 * down, 8 * across

    def touched(self, mask: Plane) -> Units:
        """The units that hold a pixel where `mask`, (H, W), is above 0."""
        down, across = self.unit
        height, width = mask.shape
        return largest(mask, range(0, height, down), range(0, width, across)) > 0

    def may_differ(self, touched: Units, shape: tuple[int, int]) -> Plane:
        """(H, W), 255 where another pixel may be shown: touched units, and their chroma's reach."""
        reach = REACH if _SUBSAMPLING[self.factors] else 0
        differs = np.zeros(shape, np.uint8)
        down, across = self.unit
        edges = np.argwhere(np.diff(touched, axis=1, prepend=False, append=False))
        for (row, left), (_, right) in edges.reshape(-1, 2, 2).tolist():
            rows = slice(max(0, row * down - reach), (row + 1) * down + reach)
            differs[rows, max(0, left * across - reach) : right * across + reach] = 255
        return differs

    def with_units(
        self, rgb: Pixels, touched: Units, own: Callable[[Pixels], Pixels] = lambda rgb: rgb
    ) -> bytes:
        """The file, without extra segments, with the touched units coded from `rgb`, (H, W, 3).

        `own` brings pixels to the colours of the file.
        """
        dct = copy.copy(self.dct)
        dct.content = None  # or the source would be read again
        if touched.any():
            rows, columns = (np.flatnonzero(touched.any(axis=axis)) for axis in (1, 0))
            top, left = int(rows[0]), int(columns[0])
            box = touched[top : rows[-1] + 1, left : columns[-1] + 1]
            down, across = self.unit
            part = rgb[
                top * down : (rows[-1] + 1) * down, left * across : (columns[-1] + 1) * across
            ]
            self._exchange(dct, self._encoded(own(part)), box, (top, left))
        return _written(dct)

    def _encoded(self, rgb: Pixels) -> Any:
        """Coefficients of `rgb` with the same tables and sampling."""
        tables = [[int(q) for q in self.dct.qt[n].flatten()] for n in self.dct.quant_tbl_no]
        out = io.BytesIO()
        image = Image.fromarray(np.ascontiguousarray(rgb))
        image.save(out, "JPEG", qtables=tables, subsampling=_SUBSAMPLING[self.factors])
        return self._loaded(out.getvalue(), rgb.shape[:2])

    def _loaded(self, data: bytes, shape: tuple[int, ...]) -> Any:
        """Coefficients of a JPEG like this one, but for its `shape` in pixels.

        jpeglib need not look through it for what is known: a quarter of the time.
        """
        new = copy.copy(self.dct)
        new.content, (new.height, new.width) = data, shape
        most = np.max(self.factors, axis=0)
        new.block_dims = -(-np.array(shape) * self.factors // (8 * most))  # T.81, A.1.1
        new.Y = new.Cb = new.Cr = None
        with _told("read"):
            new.load()
        return new

    def _exchange(self, dct: Any, new: Any, box: Units, at: tuple[int, int]) -> None:
        """Puts the units of `box`, which begins at unit `at`, from `new` into `dct`."""
        for name, (down, across) in zip(("Y", "Cb", "Cr"), self.factors, strict=True):
            theirs, ours = getattr(new, name), getattr(dct, name).copy()
            height, width = theirs.shape[:2]
            blocks = box.repeat(down, axis=0).repeat(across, axis=1)[:height, :width]
            top, left = at[0] * down, at[1] * across
            ours[top : top + height, left : left + width][blocks] = theirs[blocks]
            setattr(dct, name, ours)


@cache
def library() -> Any:
    """jpeglib, told which of the libraries that it brings is to be used."""
    import jpeglib

    jpeglib.version.set("turbo210")  # the fastest at Huffman codes
    return jpeglib


def _read(data: bytes) -> Any:
    with tempfile.NamedTemporaryFile(suffix=".jpg") as file, _told("read"):
        file.write(data)
        file.flush()
        dct = library().read_dct(file.name)
        dct.load()
    return dct


def _written(dct: Any) -> bytes:
    with tempfile.NamedTemporaryFile(suffix=".jpg") as file, _told("written"):
        dct.write_dct(file.name, flags=["+OPTIMIZE_CODING"])
        return Path(file.name).read_bytes()


@contextmanager
def _told(what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno is not None:  # the system's: a full disk, say
            raise
        raise CannotCopy(f"its coefficients cannot be {what}") from error
