from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.rows import Chunk
from pipeline.sinks import layout

paths = st.text(min_size=1, max_size=120)


@given(paths, paths)
def test_two_texts_never_share_a_name(one: str, other: str) -> None:
    assert (layout.safe(one) == layout.safe(other)) == (one == other)
    assert (layout.shard_id(one) == layout.shard_id(other)) == (one == other)


@given(paths)
def test_a_name_that_was_made_safe_is_not_the_name_of_another_text(text: str) -> None:
    made = layout.safe(text)
    assert made == text or layout.safe(made) != made


@given(paths, paths, paths)
def test_sample_ids_are_safe_paths_without_dots(shard: str, key: str, edit: str) -> None:
    name = layout.sample_id(shard, key, edit)
    assert re.fullmatch(r"[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+){2}", name)
    assert len(name) < 200


@given(paths, st.integers(0, 10**7), paths, st.booleans(), st.integers(0, 99))
def test_a_commit_record_s_name_reads_back(
    shard: str, index: int, version: str, last: bool, replay: int
) -> None:
    path = layout.commit_path(Chunk(shard, version, index, last), replay)
    name = layout.parse_commit(path.removeprefix("commits/"))
    assert name == layout.CommitName(
        layout.shard_id(shard), index, replay, layout.version_id(version), last
    )


@given(paths, st.integers(0, 10**7), st.integers(0, 99))
def test_a_part_s_name_reads_back(shard: str, index: int, replay: int) -> None:
    for kind in layout.PARTS:
        path = layout.part_path(kind, Chunk(shard, "v", index, False), replay)
        found = layout.parse_part(path.removeprefix(f"{kind}/"))
        assert found == layout.PartName(layout.shard_id(shard), index, replay)


@pytest.mark.parametrize(
    "name", ["notes.txt", "a-1.parquet", ".a-00001.parquet.x.tmp", "a/b-00001.tar"]
)
def test_a_stranger_s_file_is_no_part(name: str) -> None:
    assert layout.parse_part(name) is None
