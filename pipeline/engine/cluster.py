"""A Ray to run on: the cluster of the config or environment, or a quiet one of our own."""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Iterator
from contextlib import contextmanager

import ray

from pipeline.config import RunConfig

# Reading, checking and writing need a slot each beside the actors, or a small machine stalls.
SPARE_CPUS = 2


@contextmanager
def connected(config: RunConfig, verbose: bool) -> Iterator[None]:
    """Joins or starts Ray; a Ray that was already there is left as it was."""
    if ray.is_initialized():
        _quiet(verbose)
        yield
        return
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    address = config.run.address or os.environ.get("RAY_ADDRESS")
    level = logging.INFO if verbose else logging.ERROR
    if address:
        ray.init(address=address, log_to_driver=verbose, logging_level=level)
    else:
        ray.init(
            num_cpus=_cpus(config),
            include_dashboard=False,
            object_store_memory=int(config.run.object_store_gb * 2**30),
            log_to_driver=verbose,
            logging_level=level,
        )
    _quiet(verbose)
    try:
        yield
    finally:
        ray.shutdown()


def _cpus(config: RunConfig) -> int:
    needed = math.ceil(config.run.actors[0] * config.run.cpus_per_actor) + SPARE_CPUS
    return max(os.cpu_count() or 1, needed)


def _quiet(verbose: bool) -> None:
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = verbose
    for name in ("ray.data", "ray"):
        logging.getLogger(name).setLevel(logging.INFO if verbose else logging.ERROR)
