"""Input columns as typed columns of parts: their names, labels, what does not fit."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.engine.columns import with_columns
from pipeline.labels import Label
from pipeline.sinks import inputs
from pipeline.sinks.edits import parts
from pipeline.sinks.output import Output, existing_output
from pipeline.sinks.part import write_part
from pipeline.sinks.publish import describe, publish
from pipeline.sources._types import Column
from tests.sinks.tables import died, edited, made, run_config, table

SWAP = Label.model_validate({"from": "source_word", "to": "target_word"})
BOX = pa.list_(pa.list_(pa.float64()))
FOUND = [
    Column("sku", pa.string(), "a.tar", False),
    Column("colour", pa.string(), "a.tar", True),
    Column("boxes", BOX, "a.tar", True),
    Column("Edit", pa.int64(), "a.tar", True),
    Column("odd", None, "a.tar", False, "int64 in a.tar, string in b.tar"),
]
RED = {"sku": "A-1", "colour": "red", "boxes": [[0.0, 1.5]], "Edit": 7, "odd": "x"}
CHANGE = {"edit_type": "colour", "source_word": "red", "target_word": "blue"}


def opened(path: Path, **sections: Any) -> Output:
    config = run_config(
        str(path), labels={"colour": {"from": "source_word", "to": "target_word"}}, **sections
    )
    output = with_columns(made(config), inputs.schema(FOUND, config.labels))
    describe(output)
    return output


def rows(*columns: dict[str, Any]) -> pa.Table:
    return table(
        [
            edited("a.tar", 0, number, "blue", columns=json.dumps(cells), **CHANGE)
            for number, cells in enumerate(columns)
        ]
    )


def read(output: Output) -> list[dict[str, Any]]:
    path = f"{output.root}/{parts(output)[0].path}"
    return list(pq.read_table(path).to_pylist())


def test_names_of_ours_and_of_each_other_are_told_apart() -> None:
    found = [
        Column(name, pa.string(), "a", False)
        for name in ("x", "X", "caption", "score_a", "input_caption")
    ]
    names = list(inputs.meanings(inputs.schema(found, {})))
    assert names == ["x", "input_X", "input_caption", "input_score_a", "input_input_caption"]


def test_typed_columns_stand_beside_what_was_read(tmp_path: Path) -> None:
    output = opened(tmp_path / "out")
    write_part(output, rows(RED, {"sku": None}))
    [one, two] = read(output)
    assert one["sku"] == "A-1" and one["boxes"] == [[0.0, 1.5]] and one["input_Edit"] == 7
    assert one["edit"] == "blue" and json.loads(one["columns"]) == RED
    assert [two[name] for name in ("sku", "boxes", "input_Edit")] == [None] * 3
    schema = pq.read_schema(f"{output.root}/edits/schema.parquet")
    assert schema.field("boxes").type.equals(BOX) and schema.field("input_Edit").type == pa.int64()
    assert "odd" not in schema.names


def test_a_label_is_changed_with_its_edit_and_the_old_one_stands_beside_it(tmp_path: Path) -> None:
    output = opened(tmp_path / "out")
    write_part(output, rows(RED, {**RED, "colour": "Green"}))
    [one, two] = read(output)
    # `colour` is what a row says of an exact colour
    assert (one["input_colour"], one["source_colour"]) == ("blue", "red")
    assert (two["input_colour"], two["source_colour"]) == ("Green", "Green")


def test_samples_have_their_labels_in_the_json(tmp_path: Path) -> None:
    from pipeline.sinks import webdataset

    output = opened(tmp_path / "out", output={"formats": ["webdataset"]})
    write_part(output, rows(RED, {"sku": "A-2"}))
    [one, two] = webdataset.rows((Path(output.root) / parts(output)[0].path).read_bytes())
    assert (one["input_colour"], one["source_colour"]) == ("blue", "red")
    assert (two["input_colour"], two["source_colour"]) == ("", "")  # one type in all samples
    assert "sku" not in one and json.loads(one["columns"]) == RED


def test_all_parts_have_one_schema_whatever_their_rows_have(tmp_path: Path) -> None:
    output = opened(tmp_path / "out")
    write_part(output, rows(RED))
    later = rows({"sku": 5, "boxes": [[1]], "new": True})
    write_part(output, later.set_column(2, "chunk", pa.array([1], pa.int32())))
    files = sorted((tmp_path / "out" / "edits").glob("*.parquet"))
    assert len({str(pq.read_schema(file)) for file in files}) == 1 and len(files) == 3
    found = [row for file in files for row in pq.read_table(file).to_pylist()]
    assert sorted(str(row["sku"]) for row in found) == ["A-1", "None"]  # 5 is no text
    assert [json.loads(row["columns"])["new"] for row in found if row["sku"] is None] == [True]


def test_what_does_not_fit_its_columns_own_type_is_dead_and_names_both(tmp_path: Path) -> None:
    output = opened(tmp_path / "out")
    checked = inputs.checked(rows(RED, {**RED, "Edit": "seven"}, {**RED, "sku": 5}), output.columns)
    assert checked["error_kind"].to_pylist() == [None, "column_type", None]
    told = checked["error_message"].to_pylist()[1]
    assert told == (
        "column 'Edit' holds 'seven'; it is int64 in a.tar: make the shards agree, or set "
        "labels.Edit.type to json"
    )
    before = table([died(edited("a.tar", 0, 0, "blue", columns='{"Edit": "x"}'))])
    assert inputs.checked(before, output.columns) is before


def test_the_columns_are_frozen_once_and_read_with_the_output(tmp_path: Path) -> None:
    output = opened(tmp_path / "out")
    again = inputs.freeze(output, inputs.schema(FOUND[:1], {}))
    assert again == output.columns == existing_output(str(tmp_path / "out")).columns
    assert inputs.notes(output.columns) == [
        "column 'colour' stands in 'input_colour', for an edit has one of that name",
        "column 'Edit' stands in 'input_Edit', for an edit has one of that name",
        "column 'odd' stays in the JSON of `columns`: int64 in a.tar, string in b.tar",
    ]


def test_an_output_of_an_older_version_goes_on_as_it_was(tmp_path: Path) -> None:
    output = replace(made(run_config(str(tmp_path / "out"))), columns=None)
    describe(output)
    write_part(output, rows(RED))
    assert "sku" not in read(output)[0] and inputs.notes(output.columns) == []


def test_the_card_names_them_and_cannot_be_written_by_them(tmp_path: Path) -> None:
    found = [*FOUND, Column("a|b`\n# mine", pa.string(), "a.tar", False)]
    output = with_columns(made(run_config(str(tmp_path / "out"))), inputs.schema(found, {}))
    publish(output)
    card = (tmp_path / "out" / "README.md").read_text()
    assert "| `sku` | string | the input's column `sku` |" in card
    page = card.split("\n---\n")[1]  # its head is YAML
    assert "\n# mine" not in page and "a|b" not in page


@pytest.mark.parametrize("data", [b"", b"no schema"])
def test_a_damaged_schema_is_told(tmp_path: Path, data: bytes) -> None:
    from pipeline.errors import RunError

    opened(tmp_path / "out")
    (tmp_path / "out" / "_state" / "columns.arrow").write_bytes(data)
    with pytest.raises(RunError, match=r"columns\.arrow: damaged"):
        existing_output(str(tmp_path / "out"))


@pytest.mark.parametrize("formats", [["webdataset"], ["parquet", "webdataset"]])
def test_edits_that_other_bounds_move_keep_their_columns(
    tmp_path: Path, formats: list[str]
) -> None:
    from pipeline.checks import Bound
    from pipeline.sinks import webdataset
    from pipeline.sinks.recheck import recheck
    from pipeline.sinks.verify import verify

    output = opened(tmp_path / "out", output={"formats": formats})
    write_part(output, rows(RED, {**RED, "boxes": None}))
    tars = tmp_path / "out" / "webdataset"
    before = [list(webdataset.rows(tar.read_bytes())) for tar in tars.glob("*.tar")]
    recheck(output, {"edit_change": Bound(min=100)})
    [outside] = (tmp_path / "out" / "rejected").glob("*-r1-*")
    [one, two] = pq.read_table(outside).to_pylist()
    assert (one["input_colour"], one["source_colour"]) == ("blue", "red")
    assert one["boxes"] == [[0.0, 1.5]] and two["boxes"] is None and one["input_Edit"] == 7
    recheck(output, {})
    assert [list(webdataset.rows(tar.read_bytes())) for tar in tars.glob("*.tar")] == before
    assert verify(output).problems == []
