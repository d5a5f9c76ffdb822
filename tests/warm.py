"""Commands of `diffedit` in processes that need not import torch and diffusers: 9 s of CPU each.

One process, the parent, has imported what others made and has computed nothing. For each command it
forks a child, which imports all of ours and runs `pipeline.cli.main` as `python -c` would: with an
environment, a path, streams and signals of its own. The parent ends with the process that uses it.
What those others read as they load (`HF_…`, `OMP_NUM_THREADS`) they read in the parent.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from concurrent.futures import Future
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import IO, Any

ROOT = Path(__file__).parents[1]
CODE = "from tests.warm import serve; serve({}); from pipeline.cli import main; main()"
HEAVY = (
    "torch._dynamo",
    "torch.utils.flop_counter",
    "diffusers.models.autoencoders.autoencoder_kl",
    "diffusers.models.unets.unet_2d_condition",
    "diffusers.loaders.single_file_model",
    "transformers.models.clip.modeling_clip",
    "transformers.models.clip.tokenization_clip",
    "transformers.models.qwen3.modeling_qwen3",
    "transformers.models.t5.modeling_t5",
    "pandas",
    "pyarrow.parquet",
    "pydantic",
    "skimage.color",
    "skimage.measure",
    "typer",
)
"""What a run imports of others; Ray is not among it, for it reads the environment as it loads."""


class Command:
    """A command that runs; of `subprocess.Popen` what the tests use."""

    def __init__(self, told: int, *said: Future[str]) -> None:
        self._told, self._said = os.fdopen(told), said
        self.pid = int(self._told.readline())
        self.returncode: int | None = None

    def poll(self) -> int | None:
        """Its exit status, the negative of a signal that killed it; None while it runs."""
        return self._status(0)

    def wait(self, timeout: float | None = None) -> int:
        """The same when it has ended."""
        if self._status(timeout) is None:
            raise subprocess.TimeoutExpired(f"process {self.pid}", timeout or 0)
        assert self.returncode is not None
        return self.returncode

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """All that it and what it started printed, when all of them have ended."""
        self.wait(timeout)
        out, err = (one.result(timeout) for one in self._said)
        return out, err

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def _status(self, timeout: float | None) -> int | None:
        if self.returncode is None and select.select([self._told], [], [], timeout)[0]:
            self.returncode = int(self._told.readline())
            self._told.close()
        return self.returncode


def start(
    *arguments: str, env: Mapping[str, str] | None = None, log: IO[bytes] | None = None
) -> Command:
    """Starts `diffedit` with `arguments`; what it prints goes to `log`, where one is given."""
    told, tell = os.pipe()
    if log:
        _order(arguments, env, tell, log.fileno(), log.fileno())
        return Command(told)
    (out, to_out), (err, to_err) = os.pipe(), os.pipe()
    _order(arguments, env, tell, to_out, to_err)
    os.close(to_out)
    os.close(to_err)
    return Command(told, _read(out), _read(err))


def _order(
    arguments: tuple[str, ...], env: Mapping[str, str] | None, tell: int, out: int, err: int
) -> None:
    with tempfile.TemporaryFile("w+") as order:
        json.dump(
            {"argv": arguments, "env": dict(env or os.environ), "cwd": str(Path.cwd())}, order
        )
        order.flush()
        socket.send_fds(_parent(), [b"!"], [order.fileno(), tell, out, err])
    os.close(tell)


def _read(pipe: int) -> Future[str]:
    """What comes through a pipe until all who could write are gone: a last word comes after."""
    said: Future[str] = Future()

    def read() -> None:
        with os.fdopen(pipe) as stream:
            said.set_result(stream.read())

    threading.Thread(target=read, daemon=True).start()
    return said


def run(
    *arguments: str, env: Mapping[str, str] | None = None, timeout: float = 300
) -> subprocess.CompletedProcess[str]:
    """`diffedit` with `arguments`, to its end."""
    process = start(*arguments, env=env)
    try:
        out, err = process.communicate(timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    return subprocess.CompletedProcess(["diffedit", *arguments], process.wait(), out, err)


@cache
def _parent() -> socket.socket:
    """Where the parent takes orders; it ends when nobody holds this end any more."""
    here, there = socket.socketpair()
    subprocess.Popen(
        [sys.executable, "-c", CODE.format(there.fileno())],
        pass_fds=[there.fileno()],
        stdin=subprocess.DEVNULL,
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        start_new_session=True,
    )
    there.close()
    return here


def serve(number: int) -> None:
    """The parent: returns in each child, and never in the parent itself."""
    for name in HEAVY:
        importlib.import_module(name)
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    orders = socket.socket(fileno=number)
    while True:
        _, files, *_ = socket.recv_fds(orders, 1, 4)
        if not files:
            os._exit(0)
        if os.fork() == 0:
            orders.close()
            return _attended(*files)
        for file in files:
            os.close(file)


def _attended(order: int, tell: int, out: int, err: int) -> None:
    """Returns in a child of this process, which waits for its end and tells of it."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    if child := os.fork():
        os.write(tell, f"{child}\n".encode())
        _, status = os.waitpid(child, 0)
        os.write(tell, f"{os.waitstatus_to_exitcode(status)}\n".encode())
        os._exit(0)
    os.setsid()
    os.dup2(out, 1)
    os.dup2(err, 2)
    with os.fdopen(order) as file:
        file.seek(0)
        _become(json.load(file))
    for file in {tell, out, err}:
        os.close(file)


def _become(told: dict[str, Any]) -> None:
    """What the interpreter does as it starts."""
    os.chdir(told["cwd"])
    os.environ.clear()
    os.environ.update(told["env"])
    signal.signal(signal.SIGINT, signal.default_int_handler)
    # The parent's may be of another kind: a file's seeks, a pipe's does not.
    sys.stdout = os.fdopen(1, "w", closefd=False)
    sys.stderr = os.fdopen(2, "w", 1, errors="backslashreplace", closefd=False)
    sys.argv = ["-c", *told["argv"]]
    sys.path[1:1] = filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))
    importlib.invalidate_caches()
    sys.modules.pop("sitecustomize", None)  # one that the parent found on its own path
    with suppress(ModuleNotFoundError):
        importlib.import_module("sitecustomize")
