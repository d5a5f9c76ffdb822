"""The nasty outputs, made once."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.readers.nasty import OTHER, Made, make


@pytest.fixture(scope="session")
def one(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """One output."""
    return make(tmp_path_factory.mktemp("readers") / "one", "first/in")


@pytest.fixture(scope="session")
def two(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """The output of another run: the same shards and keys from another folder, other scores."""
    return make(tmp_path_factory.mktemp("readers") / "two", "second/in", OTHER)


@pytest.fixture(scope="session")
def side_by_side(one: Made, tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Two outputs of the same columns copied into one folder: no file is another's."""
    other = make(tmp_path_factory.mktemp("readers") / "other", "third/in")
    folder = tmp_path_factory.mktemp("readers") / "both"
    for output in (one, other):
        for kind in ("edits", "webdataset", "rejected", "dead"):
            (folder / kind).mkdir(parents=True, exist_ok=True)
            for file in (output.path / kind).iterdir():
                new = folder / kind / file.name
                assert not new.exists() or file.name in {
                    "schema.parquet",
                    "index.json",
                    "sizes.json",
                }
                shutil.copy(file, new)
    return Made(Path(folder), one.edits | other.edits, one.dead | other.dead)
