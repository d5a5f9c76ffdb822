"""docs/output.md and the card say what is written: every file, column, type and member."""

from __future__ import annotations

import json
import math
import re
import tarfile
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import pyarrow.parquet as pq
import pytest

from pipeline.sinks.card import BECAME, UNIONS
from pipeline.sinks.columns import meaning, type_name
from pipeline.sources._text import jsonable
from tests.readers.nasty import Made

DOCS = (Path(__file__).parents[2] / "docs" / "output.md").read_text()


def table(text: str, heading: str) -> dict[str, list[str]]:
    """First cell → the others, of the rows of the first table below `heading`."""
    lines = text.split(f"\n## {heading}\n")[1].split("\n|---")[1].splitlines()[1:]
    found = {}
    for line in lines:
        if not line.startswith("|"):
            break
        name, *cells = (cell.strip() for cell in line.strip("|").split(" | "))
        found[name.strip("` ")] = cells
    return found


def columns(made: Made, kind: str) -> dict[str, list[str]]:
    """As the tables of docs have them; scores are one line."""
    schema = pq.read_schema(made.path / kind / "schema.parquet")
    told = {f.name: [type_name(f.type), meaning(f.name)] for f in schema}
    return {re.sub("^score_.*", "score_…", name): cells for name, cells in told.items()}


def test_columns_of_edits(one: Made) -> None:
    assert table(DOCS, "Columns of `edits`") == columns(one, "edits")


def test_columns_of_dead(one: Made) -> None:
    edits, dead = columns(one, "edits"), columns(one, "dead")
    assert edits.keys() - dead.keys() == {"edited", "mask"}
    more = {name: cells for name, cells in dead.items() if name not in edits}
    assert table(DOCS, "Columns of `dead`") == more


def test_columns_of_rejected(one: Made) -> None:
    edits, rejected = columns(one, "edits"), columns(one, "rejected")
    more = {name: cells for name, cells in rejected.items() if name not in edits}
    assert table(DOCS, "Columns of `rejected`") == more
    assert list(rejected) == [*edits, *more]


def test_members_and_json(one: Made) -> None:
    tar = next((one.path / "webdataset").glob("*.tar"))
    with tarfile.open(tar) as opened:
        endings = {name.partition(".")[2] for name in opened.getnames()}
        member = next(name for name in opened.getnames() if name.endswith(".json"))
        file = opened.extractfile(member)
        assert file is not None
        said = json.load(file)
    told = table(DOCS, "Members of a sample")
    assert {name.removeprefix("{id}.") for name in told} == endings
    keys = DOCS.split("| key | is |\n|---|---|\n")[1].split("\n\n")[0].splitlines()
    named = [re.sub("^score_.*", "score_…", name) for name in said]
    lines = dict.fromkeys(f"| `{n}` | {meaning(n.replace('…', 'x'))} |" for n in named)
    assert keys == list(lines)


def test_files(one: Made) -> None:
    told = [name.partition("`")[0] for name in table(DOCS, "The folder")]
    patterns = [re.sub(r"\{[a-z]+\}", "*", name) for name in told]
    there = {path for path in one.path.rglob("*") if path.is_file()}
    told_of = {path for pattern in patterns for path in one.path.glob(pattern)}
    assert there <= told_of
    by_runs = ("leases/*.json", "attempts/*/*.json", "unpublished", "lists/*.arrow", "runs/*.json")
    by_runs += ("bounds/*.json", "columns.arrow")
    unmade = {"report.html", *(f"_state/{name}" for name in by_runs)}
    assert all(list(one.path.glob(pattern)) for pattern in patterns if pattern not in unmade)


@pytest.mark.parametrize(
    ("value", "becomes"),
    [
        ("ü\x00\n", "ü \n"),
        (7, 7),
        (True, True),
        (0.25, 0.25),
        (math.nan, None),
        (-math.inf, None),
        (Decimal("10.10"), "10.10"),
        (date(2024, 2, 29), "2024-02-29"),
        (datetime(2024, 2, 29, 1, 2, 3), "2024-02-29T01:02:03"),
        (timedelta(minutes=1.5), 90.0),
        ({"a": [1, math.nan]}, {"a": [1, None]}),
        (b"caf\xc3\xa9 \xff", "café \\xff"),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
    ],
)
def test_what_a_column_becomes_is_true(value: object, becomes: object) -> None:
    assert json.loads(json.dumps(jsonable(value), allow_nan=False)) == becomes


def test_what_a_column_becomes_and_how_to_unite_is_said_alike(one: Made) -> None:
    for text in (BECAME, UNIONS):
        assert text in DOCS and text in (one.path / "README.md").read_text()


def test_a_push_as_the_card_says_takes_all_but_the_state(one: Made) -> None:
    from huggingface_hub.utils import filter_repo_objects

    (left_out,) = re.findall('--exclude "(.*)"', (one.path / "README.md").read_text())
    names = {str(p.relative_to(one.path)) for p in one.path.rglob("*") if p.is_file()}
    pushed = set(filter_repo_objects(names, ignore_patterns=[left_out]))
    assert pushed == {name for name in names if not name.startswith("_state/")} != names


def test_the_card_lists_every_column(one: Made) -> None:
    card = (one.path / "README.md").read_text()
    for kind in ("edits", "rejected", "dead"):
        for name in pq.read_schema(one.path / kind / "schema.parquet").names:
            assert f"| `{name}` | " in card
