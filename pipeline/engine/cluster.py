"""A Ray to run on: the cluster of the config or environment, or a quiet one of our own."""

from __future__ import annotations

import logging
import math
import os
import re
import signal
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import ray
import ray.data
from ray.util.annotations import RayDeprecationWarning

from pipeline.config import RunConfig
from pipeline.engine.losses import answers
from pipeline.errors import UsageError

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
    if not verbose:
        os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    stop = signal.getsignal(signal.SIGTERM)
    with nullcontext() if verbose else _no_stderr():
        _start(config, verbose)
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, stop)  # Ray takes it for itself and would exit with 15
    _quiet(verbose)
    try:
        yield
    finally:
        ray.shutdown()


def _start(config: RunConfig, verbose: bool) -> None:
    address = config.run.address or os.environ.get("RAY_ADDRESS")
    level = logging.INFO if verbose else logging.CRITICAL
    if address:
        _require(address)
        ray.init(address=address, log_to_driver=verbose, logging_level=level)
        return
    ray.init(
        address="local",  # not one that somebody else started on this machine
        num_cpus=_cpus(config),
        include_dashboard=False,
        object_store_memory=int(config.run.object_store_gb * 2**30),
        log_to_driver=verbose,
        logging_level=level,
    )


def _require(address: str) -> None:
    # Ray itself would try for many minutes and say nothing.
    plain = re.fullmatch(r"[^/]+:\d+", address)
    if plain and not answers(address):
        raise UsageError(f"no Ray cluster answers at {address} (run.address or RAY_ADDRESS)")


@contextmanager
def _no_stderr() -> Iterator[None]:
    """Ray's own library tells on the file descriptor that it was told to be quiet."""
    kept = os.dup(2)
    with Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def _cpus(config: RunConfig) -> int:
    needed = math.ceil(config.run.actors[0] * (config.run.cpus_per_actor or 1)) + SPARE_CPUS
    return max(os.cpu_count() or 1, needed)


def _quiet(verbose: bool) -> None:
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = verbose
    context.raise_original_map_exception = True  # else a RunError comes back as text
    if not verbose:
        warnings.filterwarnings("ignore", category=RayDeprecationWarning)
    for name in ("ray.data", "ray"):
        logging.getLogger(name).setLevel(logging.INFO if verbose else logging.CRITICAL)
