"""Which settings a replay keeps, takes and refuses."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.engine.replay import _settings
from pipeline.errors import UsageError
from pipeline.sinks.output import Output, existing_output
from tests.sinks.tables import made, run_config


@pytest.fixture
def there(tmp_path: Path) -> Output:
    config = run_config(
        str(tmp_path / "out"),
        run={"cpus_per_actor": 3, "actors": [1, 2]},
        model={"micro_batch": 7, "dtype": "float32"},
    )
    made(config)
    return existing_output(str(tmp_path / "out"))


def test_a_replay_computes_as_the_run_did(there: Output) -> None:
    config = _settings(there, [])
    assert config.run.threads == 3 and config.run.actors == (1, 2)
    assert (config.model.micro_batch, config.model.dtype) == (7, "float32")
    assert config.fingerprint() == there.fingerprint


@pytest.mark.parametrize(
    "key",
    [
        "input.path",
        "input",
        "input.type",
        "output.path",
        "output.webdataset",
        "output",
        "run.chunk_rows",
        "run.limit",
        "run",
        "model.path",
        "model.revision",
        "model",
        "check.scores",
        "check",
    ],
)
def test_what_the_run_is_cannot_be_overridden(there: Output, key: str) -> None:
    with pytest.raises(UsageError, match=f"override {key}: a replay goes into the output"):
        _settings(there, [f"{key}=1"])


@pytest.mark.parametrize("key", ["check.keep", "check.keep.mask_area.min", "check.preset"])
def test_bounds_are_the_outputs(there: Output, key: str) -> None:
    with pytest.raises(UsageError, match="`diffedit recheck`"):
        _settings(there, [f"{key}=1"])


@pytest.mark.parametrize(
    "override",
    [
        "input.max_pixels=9000",
        "input.max_bytes=9000",
        "model.dtype=float32",
        "model.device=cpu",
        "mask.on_empty=keep",
        "prompts.colours=[red]",
        "run.max_dead_share=1",
        "edit.steps=9",
    ],
)
def test_what_mends_a_row_can(there: Output, override: str) -> None:
    _settings(there, [override])
