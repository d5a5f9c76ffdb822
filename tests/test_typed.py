"""Types of input columns: told of values, united over shards, and what fits them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline import typed
from pipeline.sources._text import jsonable

INT, FLOAT, TEXT = pa.int64(), pa.float64(), pa.string()


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([1, None, 2], INT),
        ([1, 2.5], FLOAT),
        (["a", None], TEXT),
        ([True, False], pa.bool_()),
        ([[1, 2], [], None], pa.list_(INT)),
        ([[[0.5, 1]], [[]]], pa.list_(pa.list_(FLOAT))),
        ([{"box": [1, 2]}, {"id": "x"}], pa.struct([("box", pa.list_(INT)), ("id", TEXT)])),
        ([None, None], None),
        ([[]], None),
        ([1, "1"], None),
        ([True, 1], None),
        ([{}], None),
        ([2**63], None),
        ([{str(key): key for key in range(99)}], None),
    ],
)
def test_the_type_of_values(values: list[Any], kind: pa.DataType | None) -> None:
    assert typed.settled(typed.of_values(values)) == kind


@pytest.mark.parametrize(("kind", "most"), [(pa.float32(), 2**24), (FLOAT, 2**53)])
def test_a_float_column_takes_the_integers_that_arrow_makes_floats_of(
    kind: pa.DataType, most: int
) -> None:
    assert typed.fits(most, kind) and not typed.fits(most + 2, kind)
    assert typed.array([most], kind).to_pylist() == [most]


@pytest.mark.parametrize(
    ("kind", "kept"),
    [
        (pa.int8(), pa.int8()),
        (pa.dictionary(pa.int32(), TEXT), TEXT),
        (pa.large_string(), TEXT),
        (pa.timestamp("us", "UTC"), pa.timestamp("us", "UTC")),
        (pa.decimal128(9, 2), pa.decimal128(9, 2)),
        (pa.list_(FLOAT, 4), pa.list_(FLOAT)),
        (
            pa.struct([("bbox", pa.list_(pa.float32()))]),
            pa.struct([("bbox", pa.list_(pa.float32()))]),
        ),
        (pa.map_(TEXT, INT), None),
        (pa.binary(), None),
        (pa.duration("s"), None),
        (pa.struct([("a", pa.binary())]), None),
        (pa.null(), None),
    ],
)
def test_what_a_column_of_arrow_keeps(kind: pa.DataType, kept: pa.DataType | None) -> None:
    assert typed.kept(kind) == kept


@pytest.mark.parametrize(
    ("one", "other", "both"),
    [
        (pa.int32(), INT, INT),
        (INT, FLOAT, FLOAT),
        (pa.null(), TEXT, TEXT),
        (pa.list_(pa.int32()), pa.list_(INT), pa.list_(INT)),
        (INT, TEXT, None),
        (pa.bool_(), INT, None),
        (pa.timestamp("us"), TEXT, None),
    ],
)
def test_types_of_two_shards(one: pa.DataType, other: pa.DataType, both: Any) -> None:
    assert typed.united(one, other) == typed.united(other, one) == both


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (1.5, INT),
        (300, pa.int8()),
        (2**63, INT),
        (2**60 + 1, FLOAT),
        ("1", INT),
        (1, TEXT),
        (1, pa.bool_()),
        (True, INT),
        ([1, "a"], pa.list_(INT)),
        ({"a": 1, "b": 2}, pa.struct([("a", INT)])),
        ("yesterday", pa.timestamp("us")),
        ([1], INT),
    ],
)
def test_what_does_not_fit(value: Any, kind: pa.DataType) -> None:
    assert not typed.fits(value, kind)


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (datetime(2024, 2, 29, 1, 2, 3), pa.timestamp("us")),
        (datetime(2024, 2, 29, 1, 2, 3, tzinfo=UTC), pa.timestamp("us", "UTC")),
        (Decimal("10.10"), pa.decimal128(9, 2)),
        (
            [{"when": datetime(2024, 2, 29)}, None],
            pa.list_(pa.struct([("when", pa.timestamp("us"))])),
        ),
    ],
)
def test_what_json_has_as_text_comes_back_as_it_was(value: Any, kind: pa.DataType) -> None:
    said = json.loads(json.dumps(jsonable(value)))
    assert typed.fits(said, kind) and typed.array([said], kind).to_pylist() == [value]


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(JSON, JSON)
@settings(max_examples=300, deadline=None)
def test_what_fits_comes_back_and_what_was_looked_at_fits(one: Any, other: Any) -> None:
    kind = typed.settled(typed.of_values([one]))
    if kind is None:
        return
    assert typed.fits(one, kind)
    if typed.fits(other, kind):
        back = typed.array([other], kind).to_pylist()[0]
        assert _without_nulls(back) == _without_nulls(other)


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _without_nulls(v) for k, v in value.items() if v is not None}
    return [_without_nulls(v) for v in value] if isinstance(value, list) else value
