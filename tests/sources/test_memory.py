"""The memory of reading does not grow with the shard. Measured in a process of its own."""

from __future__ import annotations

import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

MIB = 1 << 20
READ = """
import sys
from pyroaring import BitMap
from pipeline.sources import parquet, webdataset
from pipeline.sources._chunks import chunks
from pipeline.sources._filling import Filling

def peak():  # getrusage would tell the parent's peak where that is higher
    with open("/proc/self/status") as status:
        (line,) = (line for line in status if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024

module = parquet if sys.argv[1].endswith("parquet") else webdataset
source = module.build(module.Config(path=sys.argv[1]))
(shard,) = source.listing().shards
before = peak()
rows = sum(len(table) for table in chunks(source, shard, Filling(4, None), BitMap()))
print(rows, shard.size, peak() - before)
"""


def big_tar(path: Path, images: int) -> Path:
    """A tar of pictures of 1 MiB each, of zeros that take no room on disk."""
    with path.open("wb") as out:
        for i in range(images):
            info = tarfile.TarInfo(f"{i:06d}.jpg")
            info.size = MIB
            out.write(info.tobuf())
            out.seek(MIB, 1)
        out.truncate(out.tell() + 10_240)
    return path


def big_parquet(path: Path, images: int) -> Path:
    """Pictures of 1 MiB of noise each, 16 in a row group."""
    data = [np.random.default_rng(i).bytes(MIB) for i in range(16)]
    table = pa.table({"image": data, "caption": ["a red mug"] * 16})
    with pq.ParquetWriter(path, table.schema, compression="none", use_dictionary=False) as out:
        for _ in range(images // 16):
            out.write_table(table)
    return path


@pytest.mark.parametrize(("make", "name"), [(big_tar, "a.tar"), (big_parquet, "a.parquet")])
def test_the_peak_does_not_grow_with_the_shard(
    make: Callable[[Path, int], Path], name: str, tmp_path: Path
) -> None:
    small = grown(make(tmp_path / name, 96))
    large = grown(make(tmp_path / name, 304))
    assert large < 200 * MIB, f"{large / MIB:.0f} MiB for a shard of 304 MiB"
    assert large < small + 40 * MIB, f"{small / MIB:.0f} MiB, then {large / MIB:.0f} MiB"


def grown(path: Path) -> int:
    """Bytes by which reading the shard in `path` raises a fresh process's peak."""
    command = [sys.executable, "-c", READ, str(path)]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    rows, size, peak = map(int, told.split())
    path.unlink()
    assert size > rows * MIB
    return peak
