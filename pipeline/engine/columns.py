"""The input's columns as an output will have them, before its first commit. Knows no format."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pyarrow as pa

from pipeline import typed
from pipeline.config import RunConfig
from pipeline.errors import UsageError
from pipeline.sinks import inputs
from pipeline.sinks.commits import commit_names
from pipeline.sinks.output import Output, open_output
from pipeline.sources._shard import Shard, Source
from pipeline.sources._types import Column, look


def first_columns(
    config: RunConfig, source: Source, shards: Sequence[Shard], output: Output
) -> pa.Schema | None:
    """What the first rows tell; None where the output has its columns, or has commits without any.

    Raises UsageError where a label that edits change is no text.
    """
    if output.columns is not None or next(commit_names(output), None) is not None:
        return None
    declared = {n: typed.NAMED[label.type] for n, label in config.labels.items() if label.type}
    columns = {column.name: column for column in look(source, shards, declared)}
    for name, label in config.labels.items():
        if label.to:
            columns[name] = _text(columns.get(name), name)
    return inputs.schema(columns.values(), config.labels)


def _text(column: Column | None, name: str) -> Column:
    if column is None or (column.type is None and not column.why):
        return Column(name, pa.string(), "the config", True)
    if column.type != pa.string():
        told = column.why or f"{column.type} in {column.shard}"
        raise UsageError(
            f"labels.{name}: the column is {told}; an edit changes text alone: take a column of "
            f"words, or leave labels.{name}.to out"
        )
    return column


def with_columns(output: Output, columns: pa.Schema | None) -> Output:
    """`output`, begun, with its columns: those that were found, unless another froze some first."""
    if columns is None or output.columns is not None:
        return output
    return replace(output, columns=inputs.freeze(output, columns))


def column_notes(config: RunConfig) -> list[str]:
    """Which input columns an output has otherwise than the input, a line each."""
    return inputs.notes(open_output(config).columns)
