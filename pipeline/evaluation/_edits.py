"""Records → the input of an ordinary run, and its output → edits of records. Knows no benchmark.

A run's input row is a picture with all targets that share its source prompt, so that they share
its inversion too. Edits made elsewhere are read from a folder.
"""

from __future__ import annotations

import io
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.config import RunConfig
from pipeline.config_file import parse
from pipeline.errors import UsageError
from pipeline.evaluation._record import ENDINGS, Record, file_bytes, find, find_stem
from pipeline.images.encode import encode_mask
from pipeline.rows import REJECTED
from pipeline.sinks import dead
from pipeline.sinks.commits import read_commits
from pipeline.sinks.output import existing_output

ROWS_A_FILE = 64
SCHEMA = pa.schema(
    [
        pa.field("id", pa.string()),
        pa.field("image", pa.binary()),
        pa.field("source_prompt", pa.string()),
        pa.field("target_prompt", pa.list_(pa.string())),
        pa.field("colour", pa.list_(pa.string())),
    ]
)


MASKED = SCHEMA.append(pa.field("mask", pa.binary()))
"""Of rows whose editor is given the benchmark's masks."""


@dataclass(frozen=True)
class Edit:
    """What an editor made of one record, encoded."""

    record: Record
    edited: bytes
    mask: bytes | None = None


@dataclass
class Edits:
    """Where the edits of one row of the table are, and what did not become one."""

    label: str
    about: str
    folder: Path
    ours: bool = True
    only: int | None = None  # of how many records, where not of all
    lost: Counter[str] = field(default_factory=Counter)  # kind of dead letter → records

    def read(self, records: Sequence[Record]) -> Iterator[Edit]:
        """The edits there are, in any order; counts the others in `lost`."""
        self.lost.clear()
        if self.ours:
            yield from _from_output(self.folder, records, self.lost)
        else:
            yield from _from_folder(self.folder, records, self.lost)


def write_input(folder: Path, records: Sequence[Record], masks: bool = False) -> None:
    """The Parquet files that a run reads. Raises UsageError where others are there already.

    With `masks` the records' own are given to the editor.

    A file that is there with these bytes is left alone: its time is part of what a run knows it by.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rows = [list(group) for _, group in groupby(records, key=_shared)]
    names = []
    for number, start in enumerate(range(0, len(rows), ROWS_A_FILE)):
        names.append(f"records-{number:05d}.parquet")
        made = [_row(group, masks) for group in rows[start : start + ROWS_A_FILE]]
        _write(folder / names[-1], pa.Table.from_pylist(made, MASKED if masks else SCHEMA))
    others = sorted(path.name for path in folder.glob("*.parquet") if path.name not in names)
    if others:
        raise _other_records(folder / others[0])


def config(
    raw: Mapping[str, Any],
    name: str,
    overrides: Sequence[str],
    source: Path,
    output: Path,
    paste: str | None,
    masks: bool = False,
) -> RunConfig:
    """The run that edits `source` with the settings of `raw`, of the file `name`.

    Raises UsageError.

    Whatever `raw` says of input, prompts, output and check is replaced. `masks`: the rows have one.
    `paste` is a way of paste-back, or exact: recolor, with the record's own colour given.
    """
    whole: dict[str, Any] = {
        **{key: dict(value) if isinstance(value, dict) else value for key, value in raw.items()},
        "input": {"type": "parquet", "path": str(source), "caption": None, "key": "id"}
        | ({"mask": "mask"} if masks else {}),
        "prompts": {"type": "column", "source": "source_prompt", "target": "target_prompt"},
        "output": {"path": str(output), "formats": ["parquet"], "source": False},
        "check": {"scores": []},
    }
    whole.setdefault("model", {"type": "stable_diffusion", "path": "demo"})
    if paste == "exact":
        whole["prompts"]["colour"], paste = "colour", "recolor"
    ways = [] if paste is None else [f"edit.paste_back={paste}"]
    return parse(whole, name, [*overrides, *ways])


def _shared(record: Record) -> tuple[str, str, bool]:
    # A row without a target is a dead letter, which its picture's other targets should not be.
    return record.picture or record.id, record.source_prompt, bool(record.target_prompt.strip())


def _row(group: Sequence[Record], masks: bool) -> dict[str, Any]:
    first = group[0]
    region = first.mask() if masks else None
    targets: dict[str, Record] = {}
    for record in group:
        targets.setdefault(record.target_prompt, record)
    return {
        "mask": None if region is None else encode_mask(region.astype(np.uint8) * np.uint8(255)),
        "id": first.id,
        "image": first.source(),
        "source_prompt": first.source_prompt,
        "target_prompt": list(targets),
        "colour": [record.colour() for record in targets.values()],
    }


def _write(path: Path, rows: pa.Table) -> None:
    sink = io.BytesIO()
    pq.write_table(rows, sink, row_group_size=16)
    if not path.exists():
        partial = path.with_suffix(".partial")
        partial.write_bytes(sink.getvalue())
        partial.replace(path)
    elif path.read_bytes() != sink.getvalue():
        raise _other_records(path)


def _other_records(path: Path) -> UsageError:
    return UsageError(
        f"{path}: holds other records than the ones asked for (another --data or --rows); "
        "use another --output"
    )


def _from_output(folder: Path, records: Sequence[Record], lost: Counter[str]) -> Iterator[Edit]:
    wanted: defaultdict[tuple[str, str], list[Record]] = defaultdict(list)
    for _, group in groupby(records, key=_shared):
        members = list(group)
        for record in members:
            wanted[members[0].id, record.target_prompt].append(record)
    output = existing_output(str(folder))
    for commit in read_commits(output):
        for file in commit.files_of("edits"):
            for row in _rows(folder / file.path):
                for record in wanted.pop((row["key"], row["target_prompt"]), ()):
                    yield Edit(record, row["edited"]["bytes"], row["mask"]["bytes"])
    kinds: dict[str, str] = {}
    for commit in read_commits(output):
        for file in commit.files_of("rejected"):
            keys = pq.read_table(folder / file.path, columns=["key"])["key"].to_pylist()
            kinds |= dict.fromkeys(keys, REJECTED)
    for table in dead.read(output):
        for row in table.select(["key", "error_kind"]).to_pylist():
            kinds[row["key"]] = row["error_kind"]
    for (key, _), group_records in wanted.items():
        lost[kinds.get(key, "not edited")] += len(group_records)


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    columns = ["key", "target_prompt", "edited", "mask"]
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(8, columns=columns):
            yield from batch.to_pylist()


def _from_folder(folder: Path, records: Sequence[Record], lost: Counter[str]) -> Iterator[Edit]:
    for record in records:
        data = file_bytes(_given(folder, record))
        if data is None:
            lost["no picture in the folder"] += 1
            continue
        yield Edit(record, data, file_bytes(folder / f"{record.id}.mask.png"))


def _given(folder: Path, record: Record) -> Path | None:
    """ID with any ending, or the path that the picture has in the benchmark, likewise."""
    path = record.meta.get("path", "")
    own = (find(folder, str(Path(path).with_suffix(ending))) for ending in ENDINGS if path)
    return find_stem(folder, record.id) or next((found for found in own if found), None)
