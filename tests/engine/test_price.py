"""What a plan says of cost: on a GPU, on this machine, and against what the run then took."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pipeline.engine.estimate import estimate
from pipeline.engine.measure import measure
from pipeline.engine.price import GPUS, SHARE, price
from pipeline.engine.run import run
from pipeline.errors import UsageError
from pipeline.models._work import work
from pipeline.progress import runs_table
from pipeline.sinks.ledger import Entry, runs
from pipeline.sinks.output import existing_output
from tests.datasets import catalogue, photo, settings, write_tar


@pytest.fixture
def config(tiny_model: Path, tmp_path: Path) -> Any:
    rows = [(f"{n}", photo(n), "a green mug") for n in range(6)]
    write_tar(tmp_path / "in" / "a.tar", rows)
    threshold = {"noise_maps": 2, "threshold": 0.2, "refine": 0, "island": 0}
    return settings(tmp_path / "in", tmp_path / "out", tiny_model, mask=threshold)


def test_hours_are_operations_over_what_a_gpu_does(config: Any) -> None:
    told = estimate(config)
    cost, each = price(told, config, "H100", 2.99), work(config.model)
    tflop = 12 * each.decode + 6 * each.encode + told.evaluations * each.network
    assert cost.tflop == pytest.approx(tflop)
    assert cost.hours * 3600 == pytest.approx(tflop / (SHARE * GPUS["h100"]))
    assert cost.money == pytest.approx(2.99 * cost.hours)
    assert cost.cpus >= told.codec * 12 / (cost.hours * 3600)
    said = dict(cost.facts())
    assert "30% of the 989 TFLOP/s" in said["assumed"] and "64 × 64" in said["operations"]
    assert price(told, config, "h100", None).money is None


def test_an_exact_colour_is_not_painted(config: Any) -> None:
    exact = [{"name": "navy", "hex": "#1f2a44"}, "red"]
    raw = config.model_dump(mode="json")
    raw["prompts"]["colours"] = exact
    raw["edit"]["paste_back"] = "recolor"
    assert estimate(type(config).model_validate(raw)).decodes == 6


def test_an_unknown_gpu_is_told_the_known_ones(config: Any) -> None:
    with pytest.raises(UsageError, match=r"^--gpu h1000: not known; there are: a10, a100, .*v100$"):
        price(estimate(config), config, "h1000", None)


def test_measuring_edits_a_few_and_writes_nothing(config: Any) -> None:
    found = measure(config)
    assert (found.images, found.edits) == (4, 8)  # a chunk has four
    assert 0 < found.evaluations <= estimate(config).evaluations
    assert found.rate > 0 and found.codec_seconds > 0 and found.bytes > 1000
    assert "4 images, 8 edits" in dict(found.facts(estimate(config), 1.0))["measured on"]
    assert not Path(config.output.path).exists()


def test_nothing_to_measure_is_one_line(config: Any, tmp_path: Path) -> None:
    write_tar(tmp_path / "in" / "a.tar", [("1", photo(1), "nothing of a colour")])
    with pytest.raises(UsageError, match="--measure: nothing of the input is to be edited"):
        measure(config)


def test_the_ledger_compares_a_plan_with_what_came(config: Any, tmp_path: Path) -> None:
    def night() -> Entry:
        run(config, local=True, verbose=False, watch=lambda _: None)
        return list(runs(existing_output(config.output.path)))[-1]

    before = estimate(config)
    first = night()
    assert first.foretold and first.evaluations and first.foretold.model_seconds is None
    assert first.foretold.evaluations == before.evaluations >= first.evaluations
    assert first.foretold.bytes == before.written
    assert 0.5 < first.bytes / first.foretold.bytes < 2
    write_tar(tmp_path / "in" / "b.tar", [(f"{n}", photo(n), "a blue mug") for n in range(9)])
    pace = first.evaluations / first.model_seconds
    told = estimate(config)
    assert told.model_seconds == pytest.approx(told.evaluations / pace)
    assert "at the last run's pace" in dict(told.facts())
    second = night()
    assert second.foretold and second.foretold.model_seconds == pytest.approx(
        told.model_seconds, abs=1e-2
    )
    table = runs_table([first, second])
    cells = [list(column.cells) for column in table.columns]
    wanted = f"{second.evaluations} / {second.foretold.evaluations}"
    assert any(wanted in column for column in cells)


def test_records_of_before_are_read(tiny_model: Path, tmp_path: Path) -> None:
    config = settings(catalogue(tmp_path / "in", 1), tmp_path / "out", tiny_model)
    run(config, local=True, verbose=False, watch=lambda _: None)
    (entry,) = runs(existing_output(config.output.path))
    old = entry.model_dump(exclude={"evaluations", "foretold"})
    again = Entry.model_validate(old)
    assert (again.evaluations, again.foretold) == (None, None)
    assert runs_table([again]).row_count == 1
