"""Parquet files with an image column (bytes, or a struct with bytes as Hugging Face writes it).

Knows nothing of what the columns mean but image, caption and key. Streams one page at a time, but
most writers put a whole row group of images in one page: groups of some 100 rows keep memory low.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import Field

from pipeline.errors import RowError
from pipeline.sources import _text
from pipeline.sources._files import Files, ShardFile, StorageFailed, list_shards
from pipeline.sources._shard import Member, Shard

ENDINGS = (".parquet",)
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


def build(config: Config) -> Parquet:
    """The source that `config` describes; nothing is opened yet."""
    return Parquet(config)


@dataclass(frozen=True)
class Parquet:
    """See `_shard.Source`. Columns that hold binary data, but for the image, are left out."""

    config: Config

    def shards(self) -> list[Shard]:
        return list_shards(self.config, ENDINGS)

    def members(self, shard: Shard) -> Iterator[Member]:
        ordinal = 0
        try:
            with ShardFile(self.config, shard.url) as file:
                for row in self._rows(file):
                    yield _member(row, ordinal, self.config)
                    ordinal += 1
        except StorageFailed:
            raise
        except RowError as error:
            yield Member(ordinal, "(shard)", None, None, error=error)
        except (pa.ArrowException, OSError, ValueError) as error:
            yield _rest(ordinal, error)
        else:
            if ordinal == 0:
                empty = RowError("empty_shard", f"{shard.path}: no rows in this Parquet file")
                yield Member(0, "(shard)", None, None, error=empty)

    def _rows(self, file: ShardFile) -> Iterator[dict[str, Any]]:
        # Neither pre_buffer nor threads: either would hold whole row groups of images.
        with pq.ParquetFile(file, buffer_size=BUFFER, pre_buffer=False) as parquet:
            columns = self._columns(parquet.schema_arrow)
            for group in range(parquet.num_row_groups):  # a batch must not span a broken one
                for batch in parquet.iter_batches(ROWS, [group], columns, use_threads=False):
                    yield from batch.to_pylist()

    def _columns(self, schema: pa.Schema) -> Sequence[str]:
        """Names to read. Raises RowError where one that the config names is missing or odd."""
        config = self.config
        for option in ("image", "caption", "key"):
            name = getattr(config, option)
            if name is not None and name not in schema.names:
                raise RowError(
                    "missing_column",
                    f"no column {name!r}; its columns: {', '.join(schema.names)}; "
                    f"set input.{option}" + (" (null: none)" if option != "image" else ""),
                )
        kind = schema.field(config.image).type
        held = kind.field("bytes").type if _is_picture(kind) else kind
        if not _is_binary(held):
            raise RowError(
                "wrong_type",
                f"column {config.image!r} is {kind}; expected binary or struct<bytes, path>",
            )
        plain = [f.name for f in schema if not _has_binary(f.type) and f.name != config.image]
        return [_first_leaf(config.image, kind), *plain]


def _is_picture(kind: pa.DataType) -> bool:
    return bool(pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0)


def _first_leaf(name: str, kind: pa.DataType) -> str:
    return f"{name}.bytes" if _is_picture(kind) else name


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


def _member(row: dict[str, Any], ordinal: int, config: Config) -> Member:
    cell = row.pop(config.image)
    image = cell.get("bytes") if isinstance(cell, dict) else cell
    name = row.get(config.key) if config.key else None
    key = _text.key(str(name)) if name is not None else f"{ordinal:08d}"
    columns = {_text.clean(k): _text.jsonable(v) for k, v in row.items()}
    caption: str | None = None
    error: RowError | None = None
    try:
        caption = _text.caption(row.get(config.caption) if config.caption else None)
        _check_image(image, config)
    except RowError as bad:
        error = bad
        image = None if bad.kind == "too_large" else image
    return Member(ordinal, key, image, caption, columns, error)


def _check_image(image: bytes | None, config: Config) -> None:
    if image is None:
        raise RowError("no_image", f"column {config.image!r} has no bytes in this row")
    if len(image) > config.max_bytes:
        raise RowError("too_large", f"{len(image):,} bytes; allowed: {config.max_bytes:,}")


def _rest(ordinal: int, error: Exception) -> Member:
    why = " ".join(str(error).split())[:300]
    if ordinal == 0:
        dead = RowError("unreadable_shard", f"not readable Parquet: {why}; fetch it again")
        return Member(0, "(shard)", None, None, error=dead)
    dead = RowError("truncated_shard", f"unreadable after {ordinal} rows: {why}; fetch it again")
    return Member(ordinal, "(rest of shard)", None, None, error=dead)
