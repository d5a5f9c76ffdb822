"""Arrow's values → Python's; what Python cannot hold becomes text. Knows no column's meaning."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa


def rows(batch: pa.RecordBatch) -> Iterator[dict[str, Any]]:
    """Each row by column name; of columns of one name, the second's ends in ~2."""
    columns = [values(batch.column(i)) for i in range(batch.num_columns)]
    for row in zip(*columns, strict=True):
        yield dict(zip(apart(batch.schema.names), row, strict=True))


def apart(names: list[str]) -> list[str]:
    """`names` without doubles: a second x becomes x~2."""
    made: list[str] = []
    for name in names:
        unique, number = name, 1
        while unique in made:
            number += 1
            unique = f"{name}~{number}"
        made.append(unique)
    return made


def values(array: pa.Array) -> list[Any]:
    """`array.to_pylist()`, but each value on its own where one of them cannot be held."""
    try:
        return list(array.to_pylist())
    except Exception:
        # Dates out of Python's range, unknown time zones, text that is no UTF-8: as many kinds.
        return [_value(scalar) for scalar in array]


def _value(scalar: Any) -> Any:
    try:
        return scalar.as_py()
    except Exception:
        kind = scalar.type
    if pa.types.is_struct(kind):
        return {kind.field(i).name: _value(scalar[i]) for i in range(kind.num_fields)}
    if isinstance(scalar, pa.ListScalar | pa.LargeListScalar | pa.FixedSizeListScalar):
        return [_value(item) for item in scalar.values]
    if isinstance(scalar, pa.ExtensionScalar | pa.DictionaryScalar):
        return _value(scalar.value)
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return bytes(scalar.as_buffer())  # no UTF-8
    return _as_text(scalar)


def _as_text(scalar: Any) -> str:
    for kind in (pa.string(), pa.int64()):
        try:
            return str(scalar.cast(kind).as_py())
        except Exception:  # noqa: S112 - a time zone that is not known, say
            continue
    return f"({scalar.type})"
