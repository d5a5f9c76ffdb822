"""Models that a hub has: downloaded whole or in half precision, or told."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.models.hub import hub

# The client reads its settings when it is imported.
CODE = """
import json, sys
from pipeline.errors import UsageError
from pipeline.models.stable_diffusion import Config, build
for name in sys.argv[1:]:
    try:
        model = build(Config(path=name, device="cpu", dtype="float32"))
        print(json.dumps([model.name, model.weights]))
    except UsageError as error:
        print(json.dumps([str(error), ""]))
"""


def build_each(address: str, home: Path, *names: str, **more: str) -> list[list[str]]:
    """The name and digest of each model, or what is told of it."""
    env = {**os.environ, "HF_ENDPOINT": address, "HF_HOME": str(home), "HF_HUB_DISABLE_XET": "1"}
    env |= {"HF_HUB_DISABLE_TELEMETRY": "1", **more}
    done = subprocess.run(
        [sys.executable, "-c", CODE, *names], capture_output=True, text=True, env=env, check=False
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture
def there(tiny_model: Path, tmp_path: Path) -> Path:
    """A hub's models: tiny/full, tiny/half with fp16 files alone, tiny/pickled with none."""
    root = tmp_path / "hub"
    for name in ("full", "half", "pickled"):
        shutil.copytree(tiny_model, root / "tiny" / name)
    for file in list((root / "tiny/half").glob("*/*.safetensors")):
        file.rename(file.with_name(file.name.replace(".safetensors", ".fp16.safetensors")))
    for file in list((root / "tiny/pickled").glob("*/*.safetensors")):
        file.rename(file.with_suffix(".bin"))
    return root


def test_models_of_a_hub_are_found_or_told(there: Path, tmp_path: Path) -> None:
    names = ("tiny/full", "tiny/half", "tiny/pickled", "tiny/none")
    with hub(there) as address:
        full, half, pickled, none = build_each(address, tmp_path / "home", *names)
    assert full[0] == "tiny/full" and len(full[1]) == 32
    assert half[0] == "tiny/half" and len(half[1]) == 32
    assert pickled[0].startswith("model.path: tiny/pickled: no such folder here, and cannot get it")
    assert "safetensors" in pickled[0]
    assert none[0].startswith("model.path: tiny/none: no such folder here, and cannot get it")
    assert all("\n" not in said for said, _ in (full, half, pickled, none))
    # Without a network, what is in the cache is used, and what is not is told.
    offline = {"HF_HUB_OFFLINE": "1"}
    again, unknown = build_each(address, tmp_path / "home", "tiny/full", "tiny/none", **offline)
    assert again == full
    assert "without a network" in unknown[0]
