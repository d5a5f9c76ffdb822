"""Edits as a step of somebody's own Ray Data job: a `Dataset` in, a `Dataset` out, nothing written.

The stages are those of a run (`flow.py`), and a chunk travels as there (`envelope.py`); the columns
that are the caller's own go beside it.
"""

from __future__ import annotations

import hashlib
import io
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import yaml
from PIL import Image
from ray.data import Dataset
from ray.data.block import BlockAccessor
from ray.util.annotations import RayDeprecationWarning

from pipeline.config import RunConfig
from pipeline.config_file import load, parse
from pipeline.engine.envelope import cell, opened, pack, per_chunk, unpack
from pipeline.engine.flow import TASK_RETRIES, EditActor, actors
from pipeline.engine.todo import filling
from pipeline.errors import RowError, UsageError
from pipeline.rows import ERROR, RESULT, SOURCE
from pipeline.section import build
from pipeline.sources._chunks import chunk_table
from pipeline.sources._shard import Member, Shard
from pipeline.stages import Check, Plan

OWN = "own"
"""Column of an envelope: the caller's columns, a row for each of the table's."""
_INSIDE = (*SOURCE.names, "planned")
_NOWHERE = {"type": "parquet", "path": "(a dataset)"}


def edit_dataset(
    ds: Dataset, config: RunConfig | Mapping[str, Any] | str | Path, *, shard: str | None = None
) -> Dataset:
    """`ds` with its pictures edited as `config` says: one row an edit, lazily.

    `config` is a run's, a file or a mapping, and may leave out input and output. Of `input` these
    count, as for Parquet: the names of the columns (`image`, `caption`, `key`, `mask`, `protect`),
    `max_pixels` and `max_bytes`. Pictures are encoded bytes, {bytes, path}, or arrays as
    `ray.data.read_images` makes them.

    Each row has the columns of `ds` and those of an output's rows: `edit`, the prompts, `edited`
    and `mask` (encoded), `mask_area`, the scores, the settings. What fails is a row too, with
    `error_stage`, `error_kind` and `error_message`, and so is an edit outside of `check.keep`
    (kind `rejected`); a picture that nothing is planned for has one row without `edit`. One bad
    row raises nothing.

    An edit is that of a run with the same settings, if its noise is: that comes of `run.seed`, of
    the column `key`, and of the column named by `shard` (unset: ""). Without a key it comes of the
    picture itself. Targets that a rule balances over a shard are chosen row by row here.

    Raises UsageError for a config that cannot be used, and, when it is run, for columns that are
    missing or whose name a result has too, and for a model that cannot be used. A picture that
    kills its process is not found out, as a run finds it: it ends the job.
    """
    settings = _settings(config)
    chunkwise: dict[str, Any] = {"batch_size": None, "batch_format": "pyarrow", **TASK_RETRIES}
    first = {**chunkwise, "batch_size": settings.run.chunk_rows}
    with warnings.catch_warnings(action="ignore", category=RayDeprecationWarning):
        return (
            ds.map_batches(_Chunks(settings, shard), **first)
            .repartition(target_num_rows_per_block=1)  # or one actor would get many chunks
            .map_batches(per_chunk(Plan(settings)), **chunkwise)
            .map_batches(EditActor, fn_constructor_args=[settings, None, None], **actors(settings))
            .map_batches(per_chunk(Check(settings)), **chunkwise)
            .map_batches(_Rows(settings), **chunkwise)
        )


def _settings(config: RunConfig | Mapping[str, Any] | str | Path) -> RunConfig:
    if isinstance(config, RunConfig):
        return config
    if isinstance(config, str | Path):
        return _settings(_file(Path(config)))
    columns = {k: v for k, v in config.get("input", {}).items() if k not in _NOWHERE}
    given = {**config, "input": {**columns, **_NOWHERE}, "output": {"path": "(nowhere)"}}
    return parse(given)


def _file(path: Path) -> Mapping[str, Any]:
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError):
        return load(path).model_dump()  # which says what is amiss
    return raw if isinstance(raw, dict) else load(path).model_dump()


class _Chunks:
    """A batch of the caller's rows → envelopes of one chunk each (READ_SCHEMA)."""

    def __init__(self, config: RunConfig, shard: str | None) -> None:
        self._config, self._shard = config, shard

    def __call__(self, batch: pa.Table) -> Iterator[pa.Table]:
        self._check_names(batch.column_names)
        batch = _encoded(batch, self._config.input.image)
        rows = list(self._rows(batch))
        grouped = filling(self._config)
        sized = ((grouped.add(_bytes(row[1])), row) for row in rows)
        for _, some in groupby(sized, lambda pair: pair[0]):
            yield self._envelope(batch, [row for _, row in some])

    def _check_names(self, names: list[str]) -> None:
        made = {*RESULT.names, *ERROR.names, *(f"score_{n}" for n in self._config.check.scores)}
        both = sorted(set(names) & made - _own_key(self._config))
        if both:
            raise UsageError(
                f"columns {', '.join(both)} of the dataset are columns of the edits too; rename "
                "them (Dataset.rename_columns)"
            )
        if self._shard is not None and self._shard not in names:
            raise UsageError(f"no column {self._shard!r} (shard=); there are: {', '.join(names)}")

    def _rows(self, batch: pa.Table) -> Iterator[tuple[int, Member]]:
        source = build(self._config.input)
        [whole] = batch.combine_chunks().to_batches() or [None]
        try:
            for number, members in enumerate(source.rows_of(whole) if whole else ()):
                yield from ((number, self._named(member)) for member in members)
        except RowError as error:
            raise UsageError(f"the dataset: {error.message}") from error

    def _named(self, member: Member) -> Member:
        if self._config.input.key:
            return member
        _, mark, caption = member.key.partition("#")
        digest = hashlib.blake2b(member.image or b"", digest_size=8).hexdigest()
        return replace(member, key=f"{digest}{mark}{caption}")

    def _envelope(self, batch: pa.Table, rows: list[tuple[int, Member]]) -> pa.Table:
        members = [replace(member, ordinal=place) for place, (_, member) in enumerate(rows)]
        table = chunk_table(Shard("", "", 0, ""), 0, members, last=False)
        own = batch.take(pa.array([number for number, _ in rows]))
        if self._shard is not None:
            place = table.column_names.index("shard")
            table = table.set_column(place, "shard", own[self._shard].cast(pa.string()))
        pictures = [name for name in self._config.input.pictures if name in own.column_names]
        return pack(table).append_column(OWN, cell(own.drop_columns(pictures)))


def _own_key(config: RunConfig) -> set[str]:
    """The caller's column `key`, where it is the key of the edits."""
    return {"key"} & {config.input.key}


def _bytes(member: Member) -> int:
    return sum(len(held or b"") for held in (member.image, member.mask, member.protect))


def _encoded(batch: pa.Table, name: str) -> pa.Table:
    """`batch` whose pictures, where they are arrays, are PNGs."""
    kinds = {field.name: field.type for field in batch.schema}
    if not isinstance(kinds.get(name), pa.BaseExtensionType):
        return batch
    arrays = BlockAccessor.for_block(batch.select([name])).to_numpy(name)
    place = batch.column_names.index(name)
    return batch.set_column(place, name, pa.array(map(_png, arrays), pa.binary()))


def _png(pixels: Any) -> bytes:
    sink = io.BytesIO()
    try:
        Image.fromarray(np.asarray(pixels).squeeze()).save(sink, "PNG")
    except (TypeError, ValueError, OSError) as error:
        raise UsageError(f"the dataset's pictures are arrays of no picture: {error}") from error
    return sink.getvalue()


class _Rows:
    """Envelopes → the caller's rows, each with its edit."""

    def __init__(self, config: RunConfig) -> None:
        self._image, self._key = config.input.image, _own_key(config)

    def __call__(self, block: pa.Table) -> Iterator[pa.Table]:
        for table, own in zip(unpack(block), block[OWN], strict=True) if len(block) else ():
            mine = opened(own).take(table["ordinal"])
            mine = mine.drop_columns(list(self._key))
            made = table.drop_columns([n for n in _INSIDE if n not in ("key", "image")])
            columns = dict(zip(mine.column_names, mine.columns, strict=True))
            columns |= {self._image: table["image"]}
            columns |= {n: made[n] for n in made.column_names if n != "image"}
            yield pa.table(columns)
