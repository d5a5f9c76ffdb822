"""Dead letters → a Parquet file, and back. Knows no record that is superseded.

A dead letter keeps every input column, the image's bytes too, the planned edit, and the stage, kind
and message of its failure; not the pictures of an edit that was made and rejected.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import BinaryIO

import pyarrow as pa
import pyarrow.compute as pc

from pipeline import storage
from pipeline.sinks import parquet
from pipeline.sinks.commits import MISSING, read_commits, superseded
from pipeline.sinks.output import Output
from pipeline.sinks.parquet import with_pictures, write


def write_dead(dead: pa.Table, output: Output, sink: BinaryIO) -> None:
    """File of dead letters; `dead` is of the result schema with an `id` column before it."""
    # Many of them are dead because they cannot be decoded: readers are not to try by themselves.
    write(with_pictures(dead, ["source"], output, (), decode=False), sink)


def read(output: Output, problems: list[str] | None = None) -> Iterator[pa.Table]:
    """The committed dead letters, one part at a time.

    What is damaged or missing is told in `problems`; without them it is raised.
    """
    for commit in read_commits(output, problems):
        for file in commit.files_of("dead"):
            try:
                yield read_part(output, file.path)
            except (FileNotFoundError, pa.ArrowException) as error:
                if problems is None:
                    raise
                if not superseded(output, commit):
                    problems.append(f"{file.path}: {MISSING} ({type(error).__name__})")


def read_part(output: Output, path: str) -> pa.Table:
    """One part of dead letters, its pictures as `image`; `path` is below the output folder."""
    table = parquet.read(storage.read(output.fs, f"{output.root}/{path}"))
    image = pc.struct_field(table["source"], "bytes")
    return table.drop_columns(["source"]).append_column("image", image)


def by_kind(dead_letters: pa.Table) -> dict[str, int]:
    """How many there are of each "stage/kind"."""
    stages = dead_letters["error_stage"].to_pylist()
    kinds = dead_letters["error_kind"].to_pylist()
    counts = Counter(f"{stage}/{kind}" for stage, kind in zip(stages, kinds, strict=True))
    return dict(sorted(counts.items()))
