"""Input columns as typed columns: the type of a value, whether it fits, arrays. Knows no source.

Values come as JSON holds them (`sources/_text.jsonable`): times and decimals as text.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import reduce
from typing import Any

import pyarrow as pa

MOST_FIELDS = 32
"""Of an object with more keys in the rows looked at they are no fields, but data."""
NAMED = {
    "string": pa.string(),
    "int64": pa.int64(),
    "float64": pa.float64(),
    "bool": pa.bool_(),
    "json": pa.null(),
}
"""Types that a config can name; null: it stays JSON."""
_PLAIN = (pa.types.is_boolean, pa.types.is_integer, pa.types.is_float32, pa.types.is_float64)
_TEXTS = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
_TOLD = (pa.types.is_timestamp, pa.types.is_date32, pa.types.is_decimal)
"""JSON has these as text."""
_LISTS = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)


def _is(kind: pa.DataType, tests: Iterable[Any]) -> bool:
    return any(test(kind) for test in tests)


def kept(kind: pa.DataType) -> pa.DataType | None:
    """The type that a column of Arrow's `kind` keeps; None where it stays JSON."""
    if pa.types.is_dictionary(kind):
        return kept(kind.value_type)
    if _is(kind, _TEXTS):
        return pa.string()
    if _is(kind, (*_PLAIN, *_TOLD)):
        return kind
    if _is(kind, _LISTS):
        item = kept(kind.value_type)
        return item and pa.list_(item)
    if pa.types.is_struct(kind) and kind.num_fields:
        fields = [kind.field(number) for number in range(kind.num_fields)]
        kinds = [(field.name, kept(field.type)) for field in fields]
        return pa.struct(kinds) if all(inner for _, inner in kinds) else None
    return None


def of_values(values: Iterable[Any]) -> pa.DataType | None:
    """The one type of JSON's `values`, `null` where they are all null; None where they differ."""
    return reduce(united, map(_of_value, values), pa.null())


def _of_value(value: Any) -> pa.DataType | None:
    if isinstance(value, list):
        item = of_values(value)
        return item and pa.list_(item)
    if isinstance(value, dict):
        kinds = [(name, _of_value(inner)) for name, inner in value.items()]
        whole = 0 < len(kinds) <= MOST_FIELDS and all(kind for _, kind in kinds)
        return pa.struct(kinds) if whole else None
    if isinstance(value, int) and not isinstance(value, bool):
        return pa.int64() if -(2**63) <= value < 2**63 else None
    known = {type(None): pa.null(), bool: pa.bool_(), float: pa.float64(), str: pa.string()}
    return known.get(type(value))


def united(one: pa.DataType | None, other: pa.DataType | None) -> pa.DataType | None:
    """A type that holds the values of both; None where text would have to hold numbers."""
    if one is None or other is None:
        return None
    if one == other or pa.types.is_null(other):
        return one
    if pa.types.is_null(one):
        return other
    try:
        schemas = [pa.schema([("x", kind)]) for kind in (one, other)]
        made = pa.unify_schemas(schemas, promote_options="permissive").field("x").type
    except pa.ArrowException:
        return None
    return made if _same_sort(one, other) else None


def _same_sort(one: pa.DataType, other: pa.DataType) -> bool:
    # Permissive promotion makes text of a number's column too.
    sorts = (_PLAIN[1:], _TEXTS, _LISTS, (pa.types.is_struct,), (pa.types.is_boolean,))
    return any(_is(one, sort) and _is(other, sort) for sort in sorts)


def settled(kind: pa.DataType | None) -> pa.DataType | None:
    """`kind`, or None where nothing is known of it, or of what is in it."""
    if kind is None or pa.types.is_null(kind):
        return None
    inner = [kind.field(number).type for number in range(kind.num_fields)]
    return kind if all(settled(one) is not None for one in inner) else None


def fits(value: Any, kind: pa.DataType, beyond: bool = False) -> bool:
    """Whether a column of `kind` says just what the JSON value says.

    `beyond`: or would, were it not for a date or a number beyond what Python's can be.
    """
    if value is None:
        return True
    if isinstance(value, list):
        return _is(kind, _LISTS) and all(fits(item, kind.value_type, beyond) for item in value)
    if isinstance(value, dict):
        known = {f.name: f.type for f in kind} if pa.types.is_struct(kind) else None
        return known is not None and all(
            name in known and fits(inner, known[name], beyond) for name, inner in value.items()
        )
    return _fits_plain(value, kind, beyond)


def _fits_plain(value: Any, kind: pa.DataType, beyond: bool) -> bool:
    if isinstance(value, str):
        number = beyond and value.lstrip("+-")[:1].isdigit()
        return _is(kind, _TEXTS) or (_is(kind, _TOLD) and (number or _can(value, kind)))
    if isinstance(value, bool) or pa.types.is_boolean(kind):
        return isinstance(value, bool) and pa.types.is_boolean(kind)
    if isinstance(value, int):
        # Arrow makes no float of an integer beyond those that it holds each of.
        return _is(kind, _PLAIN[1:]) and _can(value, kind)
    return isinstance(value, float) and _is(kind, _PLAIN[2:])


def _can(value: Any, kind: pa.DataType) -> bool:
    try:
        array([value], kind)
    except (pa.ArrowException, OverflowError):
        return False
    return True


def array(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    """Values that fit `kind`, as an array of it."""
    return pa.array([_arrow(value, kind) for value in values] if _has_text(kind) else values, kind)


def _has_text(kind: pa.DataType) -> bool:
    inner = (kind.field(number).type for number in range(kind.num_fields))
    return _is(kind, _TOLD) or any(map(_has_text, inner))


def _arrow(value: Any, kind: pa.DataType) -> Any:
    """`value` with what JSON has as text made Arrow's own."""
    if isinstance(value, str) and _is(kind, _TOLD):
        return pa.scalar(value, pa.string()).cast(kind)
    if isinstance(value, list):
        return [_arrow(item, kind.value_type) for item in value]
    if isinstance(value, dict):
        return {name: _arrow(inner, kind.field(name).type) for name, inner in value.items()}
    return value
