"""The YAML at a card's head: what makes the folder a dataset for Hugging Face. Knows no count.

Splits are named by files, and features by the columns of the parts, so that a part that lacks a
column, as an older version made it, is read with nulls there. Fields as in huggingface_hub's
`datasetcard.md` and datasets' `Features._to_yaml_list`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import pyarrow as pa
import yaml

from pipeline.sinks import layout
from pipeline.sinks.output import Output

TAGS = ["synthetic", "image-editing", "counterfactual", "diffedit"]


def head(output: Output, schemas: Mapping[str, pa.Schema], splits: Collection[str]) -> str:
    """`schemas` of each kind of Parquet part; `splits` that have edits: datasets takes no other."""
    splits = [name for name in output.splits if name in splits]
    licence = {"license": output.license} if output.license else {}
    parquet = "parquet" in output.formats
    told: dict[str, Any] = {
        **licence,
        "task_categories": ["image-to-image"],
        "tags": TAGS,
        "configs": _parquet(splits) if parquet else [_config("edits", "webdataset", splits)],
    }
    if parquet:
        told["dataset_info"] = [
            {"config_name": kind, "features": features(schema, kind)}
            for kind, schema in schemas.items()
        ]
    return yaml.safe_dump(told, sort_keys=False, allow_unicode=True, width=1000)


def _parquet(splits: Collection[str]) -> list[dict[str, Any]]:
    edits = {**_config("edits", "edits", splits), "default": True}
    return [edits, *(_config(kind, kind, ()) for kind in ("rejected", "dead"))]


def _config(name: str, kind: str, splits: Collection[str]) -> dict[str, Any]:
    named = [{"split": s, "path": layout.files_of_split(kind, s)} for s in splits]
    return {"config_name": name, "data_files": named or layout.files_of_split(kind, "")}


def features(schema: pa.Schema, kind: str) -> list[dict[str, Any]]:
    """The columns of parts of a kind, of which dead letters' pictures are not decoded."""
    return [{"name": field.name, **_of(field.type, kind != "dead")} for field in schema]


def _of(kind: pa.DataType, decode: bool) -> dict[str, Any]:
    if pa.types.is_list(kind):
        item = _of(kind.value_type, decode)
        return {"list": item["dtype"] if item.keys() == {"dtype"} else item.get("struct", item)}
    if pa.types.is_struct(kind):
        if {field.name for field in kind} == {"bytes", "path"}:
            return {"dtype": "image" if decode else {"image": {"decode": False}}}
        return {"struct": [{"name": field.name, **_of(field.type, decode)} for field in kind]}
    names = {"float": "float32", "double": "float64", "date32[day]": "date32"}
    return {"dtype": names.get(str(kind), str(kind))}
