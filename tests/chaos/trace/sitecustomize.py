"""What a process that finds this on its path does at named points, for tests on real commands.

$CHAOS_TRACE: counts the edits that the edit stage starts; each call appends one line there, so that
    a process that is killed has told what it began.
$CHAOS_STOP (`module:function:file`): the process stops itself (SIGSTOP) before its next call of
    `function`, as seen from `module`, unless `file` exists; `file` then tells its number.
$CHAOS_POISON: a picture with `poison(stage)` in it kills the process that has it in its hands
    there: at `read`, `edit`, `check` or `write`.
$CHAOS_TTL: seconds that a lease lasts, so that a test need not wait for 90.
$CHAOS_LIE (`lag`, `repeat` or `broken`): listings of folders of commit records leave out the newest
    record, tell everything twice, or fail with EIO.
"""

from __future__ import annotations

import errno
import importlib.util
import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from importlib.abc import MetaPathFinder
from pathlib import Path
from typing import Any

Act = Callable[[Any], None]


def poison(stage: str) -> bytes:
    """What a picture that kills has in it."""
    return f"a picture that kills in {stage}".encode()


class _Wrapping(MetaPathFinder):
    """Hands each module of `acts` to its act as soon as it is loaded."""

    def __init__(self, acts: list[tuple[str, Act]]) -> None:
        self._acts = acts

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        acts = [act for module, act in self._acts if module == name]
        if not acts:
            return None
        self._acts = [(module, act) for module, act in self._acts if module != name]
        spec = importlib.util.find_spec(name)
        assert spec and spec.loader
        load = spec.loader.exec_module

        def load_and_act(module: Any) -> None:
            load(module)
            for act in acts:
                act(module)

        spec.loader.exec_module = load_and_act  # type: ignore[method-assign]
        return spec


def _before(owner: Any, name: str, act: Callable[..., None]) -> None:
    """Makes `owner.name` call `act` with its arguments first."""
    call = getattr(owner, name)

    def acting(*arguments: Any, **named: Any) -> Any:
        act(*arguments)
        return call(*arguments, **named)

    setattr(owner, name, acting)


def _count(stage: Any, table: Any) -> None:
    edits = sum(len(edits) for edits in table["edits"].to_pylist())
    handle = os.open(os.environ["CHAOS_TRACE"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(handle, f"{edits}\n".encode())
    os.close(handle)


def _stop(file: str) -> None:
    with suppress(FileExistsError), open(file, "x") as told:  # noqa: PTH123
        told.write(str(os.getpid()))
        told.flush()
        os.kill(os.getpid(), signal.SIGSTOP)


def _die(stage: str, *pictures: Any) -> None:
    if any(isinstance(picture, bytes) and poison(stage) in picture for picture in pictures):
        os.kill(os.getpid(), signal.SIGKILL)


_POISONS: list[tuple[str, Act]] = [
    (
        "pipeline.sources._shard",
        lambda module: _before(module.Member, "__init__", lambda _, *given: _die("read", *given)),
    ),
    (
        "pipeline.stages.edit",
        lambda module: _before(module, "decode", lambda *given: _die("edit", *given)),
    ),
    (
        "pipeline.stages.check",
        lambda module: _before(
            module.Check, "__call__", lambda _, table: _die("check", *table["image"].to_pylist())
        ),
    ),
    (
        "pipeline.sinks.parquet",
        lambda module: _before(
            module, "write_edits", lambda edits, *_: _die("write", *edits["image"].to_pylist())
        ),
    ),
]


def _lying(kind: str) -> None:
    scan = os.scandir

    class Listing:
        def __init__(self, entries: list[Any]) -> None:
            self._entries = iter(entries)

        def __enter__(self) -> Any:
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def __iter__(self) -> Any:
            return self

        def __next__(self) -> Any:
            return next(self._entries)

    def told(path: Any = ".") -> Any:
        if Path(os.fspath(path)).parent.name != "commits":
            return scan(path)
        if kind == "broken":
            raise OSError(errno.EIO, os.strerror(errno.EIO), path)
        with scan(path) as there:
            entries = sorted(there, key=lambda entry: entry.stat().st_mtime_ns)
        return Listing(entries * 2 if kind == "repeat" else entries[:-1])

    os.scandir = told  # type: ignore[assignment]


def _acts() -> list[tuple[str, Act]]:
    acts: list[tuple[str, Act]] = []
    if os.environ.get("CHAOS_TRACE"):
        acts.append(
            ("pipeline.stages.edit", lambda module: _before(module.Edit, "__call__", _count))
        )
    if os.environ.get("CHAOS_STOP"):
        place, name, file = os.environ["CHAOS_STOP"].split(":", 2)
        acts.append((place, lambda module: _before(module, name, lambda *_: _stop(file))))
    if os.environ.get("CHAOS_TTL"):
        seconds = float(os.environ["CHAOS_TTL"])
        acts.append(("pipeline.sinks.lease", lambda module: setattr(module, "TTL", seconds)))
    if os.environ.get("CHAOS_POISON"):
        acts += _POISONS
    return acts


if os.environ.get("CHAOS_LIE"):
    _lying(os.environ["CHAOS_LIE"])
if acts := _acts():
    sys.meta_path.insert(0, _Wrapping(acts))
