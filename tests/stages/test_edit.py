"""The edit stage called by two threads, as an actor calls it; and chunks of many large edits."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pytest
import torch
from pyroaring import BitMap

from pipeline.engine.todo import read
from pipeline.rows import PLAN_SCHEMA, Spent
from pipeline.section import build
from pipeline.stages import Check, Edit, Plan
from pipeline.stages.explode import exploded as _exploded
from tests.datasets import catalogue, settings


@pytest.fixture
def planned(tmp_path: Path, tiny_model: Path) -> tuple:
    """A config of two torch threads, and its planned chunks."""
    config = settings(
        catalogue(tmp_path / "in", shards=1, per_shard=6),
        tmp_path / "out",
        tiny_model,
        edit={"steps": 2},
        run={"cpus_per_actor": 2, "chunk_rows": 2},
    )
    shards = build(config.input).listing().shards
    plan = Plan(config)
    return config, [plan(table) for s in shards for table in read(config, s, BitMap())]


def test_two_threads_give_the_bytes_of_one(planned) -> None:
    config, tables = planned
    alone = [Edit(config)(table) for table in tables]
    torch.set_num_threads(1)  # what a new thread would compute with
    edit = Edit(config)
    with ThreadPoolExecutor(2) as pool:
        together = list(pool.map(edit, tables))
    assert together == alone
    assert sum(Spent.of(table).model_seconds > 0 for table in together) >= len(tables) - 1


def test_the_seconds_reach_the_writer(planned) -> None:
    config, tables = planned
    edit, check = Edit(config), Check(config)
    first, second = (check(edit(table)) for table in tables[:2])
    assert Spent.of(first).model_seconds > 0
    assert Spent.of(second).idle_seconds > 0
    assert Spent.of(tables[0]) == Spent()


def test_edits_of_large_images_share_their_bytes() -> None:
    """3 GiB of source bytes, were they repeated for each edit: more than one array holds."""
    edits, size = 96, 32 << 20
    row = {"shard": "a", "image": bytes(size), "ordinal": 0}
    row |= {"edits": [{"name": str(i)} for i in range(edits)], "planned": edits}
    table = pa.Table.from_pylist([row], schema=PLAN_SCHEMA)
    before = pa.total_allocated_bytes()
    made = _exploded(table, table.to_pylist(), {0: [{"seed": i} for i in range(edits)]})
    assert len(made) == edits and made["seed"].to_pylist() == list(range(edits))
    assert all(len(image.as_buffer()) == size for image in made["image"])
    assert pa.total_allocated_bytes() - before < size
