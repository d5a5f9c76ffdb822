"""Bounds on scores: what is outside is rejected with its number, what has failed before passes."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from pipeline.config_file import parse
from pipeline.rows import result_schema
from pipeline.stages import Check


def checked(keep: dict[str, Any], **values: Any) -> dict[str, Any]:
    scores = ["background_psnr", "edit_change"]
    config = parse(
        {
            "input": {"type": "folder", "path": "in"},
            "output": {"path": "out"},
            "prompts": {"type": "recolor", "colours": ["red"]},
            "model": {"type": "stable_diffusion", "path": "m"},
            "check": {"scores": scores, "keep": keep},
        }
    )
    table = pa.Table.from_pylist([values], schema=result_schema(scores))
    (row,) = Check(config)(table).to_pylist()
    return row


@pytest.mark.parametrize(
    ("keep", "message"),
    [
        ({"edit_change": {"min": 5}}, None),
        ({"edit_change": {"min": 13}}, "check.keep.edit_change: 12 is below 13"),
        ({"edit_change": {"max": 9.5}}, "check.keep.edit_change: 12 is above 9.5"),
        ({"mask_area": {"min": 0.35}}, None),  # 0.35 itself, which float32 has a little lower
        ({"mask_area": {"max": 0.2}}, "check.keep.mask_area: 0.35 is above 0.2"),
    ],
)
def test_bounds(keep: dict[str, Any], message: str | None) -> None:
    row = checked(keep, edit="red", mask_area=0.35, score_edit_change=12.0, edited=b"x")
    assert row["error_message"] == message
    assert row["error_kind"] == ("rejected" if message else None)
    assert row["edited"] == b"x" and row["score_edit_change"] == 12


def test_a_row_that_failed_before_keeps_its_reason() -> None:
    row = checked({"edit_change": {"min": 99}}, error_stage="edit", error_kind="nan",
                  error_message="m", score_edit_change=1.0)  # fmt: skip
    assert (row["error_stage"], row["error_kind"]) == ("edit", "nan")
    assert checked({"edit_change": {"min": 99}})["error_kind"] is None  # no edit, no score
