"""A child process that does one row at a time, so that what ends it ends no run. Knows no Ray.

Parent and child speak in frames on the child's stdin and stdout: the length of a JSON head, the
length of an Arrow table (0: none), and both.
"""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import asdict
from functools import partial
from itertools import islice
from typing import IO, Any

import pyarrow as pa

from pipeline import errors
from pipeline.config import RunConfig
from pipeline.config_file import parse
from pipeline.errors import BugError, RowError, RunError
from pipeline.section import build
from pipeline.sources._shard import Member, Pick, Shard

Head = dict[str, Any]
Frame = tuple[Head, pa.Table | None]
Stage = Callable[[Any], pa.Table]
_SIZES = struct.Struct("<QQ")
_MEMBER = pa.schema(
    [
        pa.field("ordinal", pa.int64()),
        pa.field("key", pa.string()),
        pa.field("image", pa.binary()),
        pa.field("mask", pa.binary()),
        pa.field("protect", pa.binary()),
        pa.field("caption", pa.string()),
        pa.field("columns", pa.string()),
        pa.field("error_kind", pa.string()),
        pa.field("error_message", pa.string()),
    ]
)


class Died(Exception):
    """The child ended without a word; the text says how."""


class CannotStart(Exception):
    """The child cannot make the stage: there is no room for a second model, say."""


class Child:
    """A process that answers requests; after a death the next request starts another."""

    def __init__(self, config: RunConfig) -> None:
        self._config = config
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Child:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process:
            self._process.kill()
            self._ended()

    def stage(self, name: str, table: pa.Table) -> pa.Table:
        """What the stage makes of `table`. Raises Died, or what the stage raised."""
        (result,) = self._ask({"do": name}, table)
        return result

    def members(self, shard: Shard, first: int) -> Iterator[Member]:
        """The shard's members but for the `first` of them. Raises as `stage`."""
        for table in self._ask({"do": "read", "shard": asdict(shard), "first": first}, None):
            yield _to_member(table.to_pylist()[0])

    def _ask(self, head: Head, table: pa.Table | None) -> Iterator[pa.Table]:
        process = self._process or self._start()
        assert process.stdin and process.stdout
        with suppress(BrokenPipeError):
            _send(process.stdin, head, table)
        while answer := _receive(process.stdout):
            said, result = answer
            if "error" in said:
                raise _raised(said)
            if result is None:
                return
            yield result
        raise Died(self._ended())

    def _start(self) -> subprocess.Popen[bytes]:
        paths = os.pathsep.join(filter(None, sys.path))  # a worker of Ray has more than it shows
        self._process = process = subprocess.Popen(
            [sys.executable, "-m", "pipeline.engine.apart"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": paths},
        )
        with suppress(BrokenPipeError):
            _send(process.stdin, self._config.model_dump(mode="json"), None)
        return process

    def _ended(self) -> str:
        process, self._process = self._process, None
        if process is None:
            return "it never began"
        for pipe in filter(None, (process.stdin, process.stdout)):
            with suppress(BrokenPipeError):
                pipe.close()
        code = process.wait()
        return f"signal {-code}" if code < 0 else f"exit status {code}"


def _send(pipe: IO[bytes] | None, head: Head, table: pa.Table | None) -> None:
    data, text = b"", json.dumps(head).encode()
    if table is not None:
        stream = pa.BufferOutputStream()
        with pa.ipc.new_stream(stream, table.schema) as writer:
            writer.write_table(table)
        data = stream.getvalue()
    if pipe is not None:
        pipe.write(_SIZES.pack(len(text), len(data)))
        pipe.write(text)
        pipe.write(data)
        pipe.flush()


def _receive(pipe: IO[bytes]) -> Frame | None:
    """The next frame; None where the other end is gone."""
    sizes = pipe.read(_SIZES.size)
    if len(sizes) < _SIZES.size:
        return None
    head, table = _SIZES.unpack(sizes)
    text, data = pipe.read(head), pipe.read(table)
    if len(text) < head or len(data) < table:
        return None
    return json.loads(text), pa.ipc.open_stream(data).read_all() if table else None


def _raised(said: Head) -> BaseException:
    if said["starting"]:
        return CannotStart(said["message"])
    kind = getattr(errors, said["error"], None)
    if isinstance(kind, type) and issubclass(kind, RunError):
        return kind(said["message"])
    return OSError(said["message"]) if said["storage"] else BugError(said["trace"])


def _to_table(member: Member) -> pa.Table:
    names = ("ordinal", "key", "image", "mask", "protect", "caption")
    row = {name: getattr(member, name) for name in names}
    row["columns"] = json.dumps(member.columns)
    if member.error:
        row |= {"error_kind": member.error.kind, "error_message": member.error.message}
    return pa.Table.from_pylist([row], schema=_MEMBER)


def _to_member(row: dict[str, Any]) -> Member:
    kind, message = row.pop("error_kind"), row.pop("error_message")
    error = RowError(kind, message) if kind is not None else None
    return Member(**{**row, "columns": json.loads(row["columns"])}, error=error)


def _serve() -> None:
    """The child: answers until its stdin ends."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what a library prints is no answer
    config, _ = _receive(sys.stdin.buffer) or ({}, None)
    answer = partial(_answer, parse(config), {})
    while request := _receive(sys.stdin.buffer):
        try:
            for table in answer(*request):
                _send(answers, {}, table)
            _send(answers, {}, None)
        except BrokenPipeError:
            return
        except Exception as error:
            said = {
                "error": type(error).__name__,
                "message": str(error),
                "storage": isinstance(error, OSError),
                "starting": isinstance(error, CannotStart),
            }
            _send(answers, {**said, "trace": traceback.format_exc()}, None)


def _answer(
    config: RunConfig, stages: dict[str, Stage], head: Head, table: pa.Table | None
) -> Iterator[pa.Table]:
    if head["do"] == "read":
        members = build(config.input).members(_shard(**head["shard"]))
        yield from map(_to_table, islice(members, head["first"], None))
        return
    name = head["do"]
    try:
        stages[name] = stages.get(name) or _stage(name, config)
    except RunError:
        raise
    except Exception as error:
        raise CannotStart(f"{type(error).__name__}: {error}") from error
    yield stages[name](table)


def _shard(picks: list[list[int]] | None, peers: list[list[int]], **rest: Any) -> Shard:
    some = None if picks is None else tuple(Pick(*pick) for pick in picks)
    return Shard(**rest, picks=some, peers=tuple(Pick(*pick) for pick in peers))


def _stage(name: str, config: RunConfig) -> Stage:
    from pipeline.sinks.output import open_output
    from pipeline.sinks.part import encoded
    from pipeline.stages import Check, Edit, Plan

    if name == "write":
        return partial(encoded, open_output(config))
    stages: dict[str, Callable[[RunConfig], Stage]] = {"plan": Plan, "edit": Edit, "check": Check}
    return stages[name](config)


if __name__ == "__main__":
    _serve()
