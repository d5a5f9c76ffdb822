"""Parquet files with an image column (bytes, or a struct with bytes as Hugging Face writes it).

Knows nothing of what the columns mean but image, caption and key; folders named `label=cat` are a
column too. Streams one page at a time, but most writers put a whole row group of images in one
page: groups of some 100 rows keep memory low.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import Field

from pipeline.errors import RowError
from pipeline.sources import _text, _values
from pipeline.sources._files import Files, ShardFile, StorageFailed
from pipeline.sources._listing import list_shards
from pipeline.sources._shard import (
    Listing,
    Member,
    Shard,
    check_masks,
    each_caption,
    numbered,
    unnumbered,
)

ENDINGS = (".parquet", ".parq", ".pq")
ROWS = 8
"""Rows decoded at a time."""
BUFFER = 1 << 20
"""Bytes of a column read at a time."""


class Config(Files):
    """Parquet files."""

    type: Literal["parquet"] = "parquet"
    image: str = Field("image", description="Column of encoded images: bytes or {bytes, path}.")
    caption: str | None = Field("caption", description="Column of captions; null: there is none.")
    key: str | None = Field(None, description="Column of unique names; unset: the row's number.")
    mask: str | None = Field(
        None, description="Column of pictures, bright where to edit (see mask.given); unset: none."
    )
    protect: str | None = Field(
        None, description="Column of pictures, bright where nothing is ever edited; unset: none."
    )

    @property
    def pictures(self) -> list[str]:
        """The columns that hold pictures."""
        return [name for name in (self.image, self.mask, self.protect) if name is not None]


def build(config: Config) -> Parquet:
    """The source that `config` describes; nothing is opened yet."""
    return Parquet(config)


Row = dict[str, Any]


@dataclass(frozen=True)
class Parquet:
    """See `_shard.Source`. Columns that hold binary data, but for those named, are left out."""

    config: Config

    def listing(self) -> Listing:
        return list_shards(self.config, ENDINGS, "Parquet", marks="._")

    def members(self, shard: Shard) -> Iterator[Member]:
        return numbered(self._members(shard))

    def rows_of(self, batch: pa.RecordBatch) -> Iterator[list[Member]]:
        """The members of each row of a batch from elsewhere; more than one where it has captions.

        Raises RowError where a column that the config names is missing or of another type.
        """
        names = self._columns(batch.schema, {})
        wanted = batch.select(list(dict.fromkeys(name.removesuffix(".bytes") for name in names)))
        for number, row in enumerate(_values.rows(wanted)):
            yield list(_captioned(row, number, self.config, 1.0))

    def types(self, shard: Shard) -> pa.Schema | None:
        """The columns that members have, by type; None where the shard cannot be read."""
        partition = _partition(shard.path)
        try:
            with ShardFile(self.config, shard.url, shard.pin) as file:
                schema = pq.read_schema(file)
        except StorageFailed:
            raise
        except (RowError, pa.ArrowException, OSError, ValueError):
            return None
        fields = [pa.field(name, pa.string()) for name in partition if name not in schema.names]
        fields += [f for f in schema if not _has_binary(f.type) and f.name not in partition]
        names = _values.apart([f.name for f in fields])
        return pa.schema([f.with_name(_text.clean(n)) for f, n in zip(fields, names, strict=True)])

    def _members(self, shard: Shard) -> Iterator[Member]:
        number = 0
        try:
            with ShardFile(self.config, shard.url, shard.pin) as file:
                for row, share in self._rows(file, _partition(shard.path)):
                    yield from _captioned(row, number, self.config, share)
                    number += 1
        except StorageFailed:
            raise
        except RowError as error:
            yield unnumbered("(shard)", error=error, share=1.0)
        except (pa.ArrowException, OSError, ValueError) as error:
            yield self._rest(shard, number, error)
        else:
            if number == 0:
                empty = RowError("empty_shard", f"{shard.path}: no rows in this Parquet file")
                yield unnumbered("(shard)", error=empty, share=1.0)

    def _rows(self, file: ShardFile, partition: Row) -> Iterator[tuple[Row, float]]:
        # Neither pre_buffer nor threads: either would hold whole row groups of images.
        with pq.ParquetFile(file, buffer_size=BUFFER, pre_buffer=False) as parquet:
            columns = self._columns(parquet.schema_arrow, partition)
            total, count = parquet.metadata.num_rows, 0
            for group in range(parquet.num_row_groups):  # a batch must not span a broken one
                for batch in _batches(parquet, group, columns, self._named()):
                    for row in _values.rows(self._told(batch)):
                        count += 1
                        yield {**partition, **row}, count / max(1, total)

    def _told(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        # Of two columns of one name, either may be binary.
        named = self._named()
        fields = enumerate(batch.schema)
        return batch.select([i for i, f in fields if f.name in named or not _has_binary(f.type)])

    def _named(self) -> list[str]:
        config = self.config
        return [*config.pictures, *(name for name in (config.caption, config.key) if name)]

    def _columns(self, schema: pa.Schema, partition: Row) -> Sequence[str]:
        """Names to read. Raises RowError where one that the config names is missing or odd."""
        for option in ("image", "caption", "key", "mask", "protect"):
            name = getattr(self.config, option)
            picture = option not in ("caption", "key")
            if name is not None and (name not in partition or picture):
                _check_there(name, option, schema)
        for name in self.config.pictures:
            kind = schema.field(name).type
            if not _is_binary(_held(kind)):
                raise RowError(
                    "wrong_type",
                    f"column {name!r} is {kind}; expected binary or struct<bytes, path>, "
                    "one image a row",
                )
        plain = [f.name for f in schema if f.name in self._named() or not _has_binary(f.type)]
        return [_path(name, schema, self.config.pictures) for name in dict.fromkeys(plain)]

    def _rest(self, shard: Shard, number: int, error: Exception) -> Member:
        why = " ".join(str(error).split())[:300]
        if number:
            told = f"unreadable after {number} rows: {why}; fetch it again"
            return unnumbered("(rest of shard)", error=RowError("truncated_shard", told), share=1.0)
        with ShardFile(self.config, shard.url, shard.pin) as file:
            pointer = _text.lfs_pointer(file.read(200))
        told = _text.POINTER if pointer else f"not readable Parquet: {why}; fetch it again"
        return unnumbered("(shard)", error=RowError("unreadable_shard", told), share=1.0)


def _batches(
    parquet: pq.ParquetFile, group: int, columns: Sequence[str], named: Sequence[str]
) -> Iterator[pa.RecordBatch]:
    """A row group; where a column that is not `named` cannot be read, without it from there on."""
    done = 0
    try:
        for batch in parquet.iter_batches(ROWS, [group], columns, use_threads=False):
            yield batch
            done += batch.num_rows
    except StorageFailed:
        raise
    except (pa.ArrowException, OSError, ValueError):
        good = [c for c in columns if _of(c, named) or _reads(parquet, group, c)]
        if len(good) == len(columns):
            raise
        for batch in parquet.iter_batches(ROWS, [group], good, use_threads=False):
            skipped = min(done, batch.num_rows)
            done -= skipped
            yield batch.slice(skipped)


def _of(column: str, named: Sequence[str]) -> bool:
    return column in named or column.removesuffix(".bytes") in named


def _reads(parquet: pq.ParquetFile, group: int, column: str) -> bool:
    try:
        for _ in parquet.iter_batches(ROWS, [group], [column], use_threads=False):
            pass
    except StorageFailed:
        raise
    except (pa.ArrowException, OSError, ValueError):
        return False
    return True


def _check_there(name: str, option: str, schema: pa.Schema) -> None:
    count = schema.names.count(name)
    if count > 1:
        told = f"{count} columns are named {name!r}; rename them, or set input.{option}"
        raise RowError("ambiguous_column", told)
    if not count:
        raise RowError(
            "missing_column",
            f"no column {name!r}; its columns: {', '.join(schema.names)}; "
            f"set input.{option}" + (" (null: none)" if option != "image" else ""),
        )


def _partition(path: str) -> Row:
    """Columns that the folders of a shard's path tell, as Hive writes them: `label=cat/`."""
    pairs = [part.partition("=") for part in path.split("/")[:-1]]
    return {
        unquote(name): None if value == "__HIVE_DEFAULT_PARTITION__" else unquote(value)
        for name, equals, value in pairs
        if name and equals
    }


def _held(kind: pa.DataType) -> pa.DataType:
    if isinstance(kind, pa.BaseExtensionType):
        return _held(kind.storage_type)
    return kind.field("bytes").type if _is_picture(kind) else kind


def _is_picture(kind: pa.DataType) -> bool:
    return bool(pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0)


def _path(name: str, schema: pa.Schema, pictures: Sequence[str]) -> str:
    held = name in pictures and _is_picture(schema.field(name).type)
    return f"{name}.bytes" if held else name


def _is_binary(kind: pa.DataType) -> bool:
    return bool(
        pa.types.is_binary(kind)
        or pa.types.is_large_binary(kind)
        or pa.types.is_fixed_size_binary(kind)
        or pa.types.is_binary_view(kind)
        or (pa.types.is_dictionary(kind) and _is_binary(kind.value_type))
    )


def _has_binary(kind: pa.DataType) -> bool:
    inner = [kind.field(i).type for i in range(kind.num_fields)]
    return _is_binary(kind) or any(map(_has_binary, inner))


def _captioned(row: Row, number: int, config: Config, share: float) -> Iterator[Member]:
    """A member for each caption of a row."""
    cells = {name: row.pop(name, None) for name in config.pictures}
    held = {n: cell.get("bytes") if isinstance(cell, dict) else cell for n, cell in cells.items()}
    image, masks = held[config.image], [held.get(n or "") for n in (config.mask, config.protect)]
    name = _name(row.get(config.key)) if config.key else None
    columns = {_text.clean(k): _text.jsonable(v) for k, v in row.items()}
    member = unnumbered(name or f"{number:08d}", image, columns=columns, share=share)
    member = replace(member, mask=masks[0], protect=masks[1])
    captions: list[str] = []
    try:
        captions = _text.captions(row.get(config.caption) if config.caption else None)
        _check_image(image, config)
        check_masks(masks, config.max_bytes)
    except RowError as bad:
        kept = None if bad.kind == "too_large" else image
        member = replace(member, image=kept, mask=None, protect=None, error=bad)
    yield from each_caption(member, captions)


def _name(value: Any) -> str | None:
    if value is None:
        return None
    text = value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)
    return _text.key(text) or None


def _check_image(image: bytes | None, config: Config) -> None:
    if image is None:
        raise RowError(
            "no_image",
            f"column {config.image!r} has no bytes in this row (a path alone is not followed)",
        )
    if len(image) > config.max_bytes:
        raise RowError("too_large", f"{len(image):,} bytes; allowed: {config.max_bytes:,}")
