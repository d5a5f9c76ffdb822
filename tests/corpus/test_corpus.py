"""Each hostile input ends as it must, in one real run a source; the output is whole and safe."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

from pipeline.sinks.output import existing_output
from pipeline.sinks.verify import verify
from tests.corpus.cases import CASES, Case
from tests.corpus.run import Outcomes, outcomes
from tests.corpus.table import table


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("corpus")


@pytest.fixture(scope="module")
def found(tiny_model: Path, folder: Path) -> Outcomes:
    return outcomes(CASES, tiny_model, folder)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_outcome(found: Outcomes, case: Case) -> None:
    assert found[case.name] == case.outcomes


def test_there_are_enough_cases() -> None:
    assert len(CASES) >= 60 and len({case.name for case in CASES}) == len(CASES)


def test_the_page_in_the_docs_is_this_table(found: Outcomes) -> None:
    page = Path(__file__).parents[2] / "docs" / "hostile-input.md"
    assert page.read_text() == table(found), "run python -m tests.corpus > docs/hostile-input.md"


@pytest.mark.parametrize("source", ["webdataset", "parquet", "folder"])
def test_the_output_is_whole(found: Outcomes, folder: Path, source: str) -> None:
    checked = verify(existing_output(str(folder / f"{source}-out")))
    assert (checked.problems, checked.warnings) == ([], [])
    assert checked.planned == checked.written + checked.dead > 0


def test_names_in_the_output_are_safe(found: Outcomes, folder: Path) -> None:
    names = []
    for shard in folder.glob("*-out/webdataset/*.tar"):
        with tarfile.open(shard) as tar:
            names += tar.getnames()
    assert names
    for name in names:
        assert not name.startswith("/") and ".." not in name and name.isprintable()
        assert not set(name) & set("<>&;$`|*?\\\"'\n")
