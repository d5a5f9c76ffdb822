"""Input columns in an output: typed columns of `edits`, one schema in all parts. Knows no source.

The schema is frozen before the first commit (`_state/columns.arrow`): what the first rows had. All
that was read stands in the JSON object of `columns` too; what no typed column can say just so is
there alone, as all of it is in an output of an older version, without that file.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from pipeline import labels, storage, typed
from pipeline.errors import RunError
from pipeline.labels import Label
from pipeline.rows import ERROR, RESULT, SOURCE
from pipeline.sinks import layout
from pipeline.sinks.columns import MEANINGS

if TYPE_CHECKING:
    from pipeline.sinks.output import Output

Row = dict[str, Any]
AS, BEFORE, SHARD, STRICT, WHY = b"as", b"before", b"shard", b"strict", b"why"
"""Of a field: its column's name, that of the value before the edit, and where its type is from."""


def schema(columns: Iterable[Any], changed: Mapping[str, Label]) -> pa.Schema:
    """The input's columns (`sources._types.Column`) under the names that they have in parts.

    A name that the pipeline uses itself, or that another has but for its case, gets `input_` before
    it. A field of no type is null's.
    """
    taken = {*MEANINGS, *SOURCE.names, *RESULT.names, *ERROR.names}
    fields = []
    for column in columns:
        told = {SHARD: column.shard.encode(), WHY: column.why.encode()}
        told |= {STRICT: b"1"} if column.strict or column.name in changed else {}
        if column.type is not None:
            told[AS] = _free(column.name, taken).encode()
            if column.name in changed and changed[column.name].to:
                told[BEFORE] = _free(f"source_{column.name}", taken).encode()
        fields.append(pa.field(column.name, column.type or pa.null(), metadata=told))
    return pa.schema(fields)


def _free(name: str, taken: set[str]) -> str:
    while name.lower() in taken or name.startswith("score_"):
        name = f"input_{name}"
    taken.add(name.lower())
    return name


def freeze(output: Output, columns: pa.Schema) -> pa.Schema:
    """Makes `columns` those of the output; returns what they are, another's if it was first."""
    data = columns.serialize().to_pybytes()
    with storage.explained(output.path, "write down its columns", raising=RunError):
        storage.create(output.fs, f"{output.root}/{layout.COLUMNS}", data)
        return load(output)


def load(output: Output) -> pa.Schema | None:
    """The input's columns; None where the output has them as JSON alone. Raises RunError."""
    try:
        data = storage.read(output.fs, f"{output.root}/{layout.COLUMNS}")
        return pa.ipc.read_schema(pa.BufferReader(data))
    except FileNotFoundError:
        return None
    except pa.ArrowException as error:
        place = f"{output.path}/{layout.COLUMNS}"
        raise RunError(f"{place}: damaged ({error}); put it back from a copy") from error


def changing(output: Output) -> dict[str, Label]:
    """The config's labels."""
    return {
        n: Label.model_validate(label) for n, label in output.settings.get("labels", {}).items()
    }


def notes(columns: pa.Schema | None) -> list[str]:
    """What is not as in the input, a line each, for a person."""
    lines = [
        f"column {f.name!r} stands in {name_of(f)!r}, for an edit has one of that name"
        for f in _typed(columns)
        if name_of(f) != f.name
    ]
    return lines + [
        f"column {f.name!r} stays in the JSON of `columns`: {_said(f, WHY)}"
        for f in columns or ()
        if pa.types.is_null(f.type) and _said(f, WHY)
    ]


def _typed(columns: pa.Schema | None) -> list[pa.Field]:
    return [field for field in columns or () if AS in field.metadata]


def _said(field: pa.Field, key: bytes) -> str:
    return str(field.metadata.get(key, b"").decode())


def name_of(field: pa.Field) -> str:
    """The typed column's, in parts."""
    return _said(field, AS)


def checked(table: pa.Table, columns: pa.Schema | None) -> pa.Table:
    """`table` as read; rows whose values do not fit their column's own type are dead."""
    strict = [field for field in _typed(columns) if STRICT in field.metadata]
    if not strict:
        return table
    errors = [_misfit(text, strict) for text in table["columns"].to_pylist()]
    living = pc.is_null(table["error_kind"]).to_pylist()
    told = [e if ok else None for e, ok in zip(errors, living, strict=True)]
    if not any(told):
        return table
    for name, said in zip(ERROR.names, ("read", "column_type", None), strict=True):
        old = table[name].to_pylist()
        new = [(said or e) if e else before for e, before in zip(told, old, strict=True)]
        place = table.column_names.index(name)
        table = table.set_column(place, name, pa.array(new, pa.string()))
    return table


def _misfit(text: str | None, strict: Sequence[pa.Field]) -> str | None:
    cells = _cells(text)
    for field in strict:
        if not typed.fits(cells.get(field.name), field.type, beyond=True):
            value = f"{cells[field.name]!r:.80}"
            where = f"{field.type} in {_said(field, SHARD)}"
            cure = f"make the shards agree, or set labels.{field.name}.type to json"
            return f"column {field.name!r} holds {value}; it is {where}: {cure}"
    return None


@lru_cache(maxsize=256)
def _cells(text: str | None) -> Row:
    cells: Row = json.loads(text or "{}")
    return cells


def placed(rows: pa.Table, output: Output) -> pa.Table:
    """`rows` with a typed column for each of the input's."""
    told = rows.select(["columns", *_CHANGE]).to_pylist() if output.columns else []
    for name, kind, values in _columns(told, _typed(output.columns), output):
        rows = rows.append_column(name, typed.array(values, kind))
    return rows


_CHANGE = ("edit_type", "source_word", "target_word", "source_prompt", "target_prompt")


def _columns(
    rows: Sequence[Row], fields: Sequence[pa.Field], output: Output
) -> Iterator[tuple[str, pa.DataType, list[Any]]]:
    changes = changing(output)
    for field in fields:
        values = [_value(row, field) for row in rows]
        if BEFORE in field.metadata:
            label, pairs = changes[field.name], zip(values, rows, strict=True)
            after = [labels.after(label, value, row) for value, row in pairs]
            yield name_of(field), field.type, after
            yield _said(field, BEFORE), field.type, values
        else:
            yield name_of(field), field.type, values


def _value(row: Row, field: pa.Field) -> Any:
    value = _cells(row["columns"]).get(field.name)
    return value if typed.fits(value, field.type) else None


def changed(row: Row, output: Output) -> Row:
    """The labels of one edit that edits change, after it and before, by their columns' names."""
    fields = [field for field in _typed(output.columns) if BEFORE in field.metadata]
    return {name: values[0] or "" for name, _, values in _columns([row], fields, output)}


def of_row(row: Row, output: Output) -> Row:
    """The typed values of one edit, by their columns' names."""
    return {name: v[0] for name, _, v in _columns([row], _typed(output.columns), output)}


def meanings(columns: pa.Schema | None) -> dict[str, str]:
    """What each typed column is, for a person."""
    told: dict[str, str] = {}
    for field in _typed(columns):
        own = f"the input's column `{field.name}`"
        told[name_of(field)] = own
        if BEFORE in field.metadata:
            told[name_of(field)] = f"{own}, as the edit leaves it"
            told[_said(field, BEFORE)] = f"{own}, as it was"
    return told
