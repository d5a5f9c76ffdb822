"""Small pictures and shards for tests."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image


def photo(seed: int = 0, size: tuple[int, int] = (24, 16), format: str = "JPEG") -> bytes:
    """An encoded picture of random colours."""
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), np.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, format)
    return out.getvalue()


def tar(files: Sequence[tuple[str | tarfile.TarInfo, bytes]], gz: bool = False) -> bytes:
    """A tar of named contents, or of ready headers."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name, data in files:
            info = name if isinstance(name, tarfile.TarInfo) else tarfile.TarInfo(name)
            if not isinstance(name, tarfile.TarInfo):
                info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return gzip.compress(out.getvalue()) if gz else out.getvalue()


def samples(count: int, prefix: str = "") -> list[tuple[str, bytes]]:
    """`count` pictures with captions, as WebDataset names them."""
    return [
        file
        for i in range(count)
        for file in (
            (f"{prefix}{i:05d}.jpg", photo(i)),
            (f"{prefix}{i:05d}.txt", f"a red mug {i}".encode()),
        )
    ]


def parquet(row_group: int | None = None, **columns: object) -> bytes:
    """A Parquet file of the given columns (lists or Arrow arrays)."""
    out = io.BytesIO()
    pq.write_table(pa.table(columns), out, row_group_size=row_group, compression="none")
    return out.getvalue()
