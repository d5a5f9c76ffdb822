from __future__ import annotations

import random
import re
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.sinks import layout
from pipeline.sinks.layout import ChunkName, PartName

paths = st.text(min_size=1, max_size=120)
generations = st.integers(0, 99)


@given(paths, paths)
def test_two_shards_never_share_a_name(one: str, other: str) -> None:
    assert (layout.shard_id(one) == layout.shard_id(other)) == (one == other)


@given(paths, paths, paths)
def test_sample_ids_are_safe_names_without_dots(shard: str, key: str, edit: str) -> None:
    name = layout.sample_id("0a1b2c3d", shard, key, edit)
    assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]+", name) and "__" not in name
    assert len(name + ".source.webp") <= 100


def test_a_million_keys_of_many_scripts_have_as_many_ids() -> None:
    rng = random.Random(0)
    alphabet = string.printable + "äöüßéñçøåæ" + "橙麻皿赤絵茶木瓶紺本" + "русский" + "עבריתعرب"
    keys = {"".join(rng.choices(alphabet, k=rng.randint(3, 12))) for _ in range(1_010_000)}
    keys |= {key.swapcase() for key in list(keys)[:1000]}
    ids = {layout.sample_id("0a1b2c3d", "00000.tar", key, "blue").lower() for key in keys}
    assert len(ids) == len(keys) >= 1_000_000


def test_parts_of_an_id_do_not_run_together() -> None:
    assert layout.sample_id("r", "a", "b", "c") != layout.sample_id("r", "a", "", "bc")
    assert layout.sample_id("r", "a", "b", "c") != layout.sample_id("s", "a", "b", "c")


@pytest.mark.parametrize(
    "path", ["train-00000.tar", "x/test/val.tar", "eval_dev.parquet", "TRAIN/Validation.tar"]
)
def test_no_name_of_a_shard_is_taken_for_a_split(path: str) -> None:
    assert not re.search("train|test|val|dev|eval", layout.shard_id(path))


@given(paths, st.integers(0, 10**7), generations)
def test_a_commit_record_s_name_reads_back(shard: str, index: int, generation: int) -> None:
    name = ChunkName(layout.shard_id(shard), index, generation)
    path = layout.commit_path(name)
    assert layout.parse_commit(path.removeprefix(f"{layout.COMMITS}/")) == name


@given(paths, st.integers(0, 10**7), generations)
def test_a_part_s_name_reads_back(shard: str, index: int, generation: int) -> None:
    token = layout.token()
    for kind in layout.PARTS:
        name = ChunkName(layout.shard_id(shard), index, generation)
        path = layout.part_path(kind, "0a1b2c3d", name, token)
        found = layout.parse_part(path.removeprefix(f"{kind}/"))
        assert found == PartName(name.shard_id, index, generation, "0a1b2c3d", token)


@pytest.mark.parametrize(
    "name", ["notes.txt", "a-1.parquet", ".a-00001.parquet.x.tmp", "a/b-00001.tar"]
)
def test_a_stranger_s_file_is_no_part(name: str) -> None:
    assert layout.parse_part(name) is None
