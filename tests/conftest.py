"""Fixtures that all tests share."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.moto_server import moto
from tests.s3_server import s3_server

__all__ = ["moto", "ray_here", "s3_server", "tiny_model", "tiny_v_model"]

ROOT = Path(__file__).parents[1]

# Networks this small lose more by waiting for a second thread than they gain by it.
os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Stable Diffusion folder with small random weights (ε-prediction, 64×64 pictures)."""
    from tests.tiny import make_folder

    return make_folder(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="session")
def tiny_v_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with v-prediction."""
    from tests.tiny import make_folder

    return make_folder(tmp_path_factory.mktemp("models") / "tiny-v", "v_prediction")


@pytest.fixture(scope="session")
def ray_here() -> Iterator[None]:
    """A quiet Ray of three logical CPUs, shared by the session; its workers can import jobs."""
    import ray

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", f"{os.environ.get('PYTHONPATH', '')}:{ROOT}")
        _start_ray()
    yield
    ray.shutdown()


def _start_ray() -> None:
    import ray

    ray.init(
        num_cpus=3,
        include_dashboard=False,
        object_store_memory=256 << 20,
        log_to_driver=False,
        logging_level="ERROR",
    )
